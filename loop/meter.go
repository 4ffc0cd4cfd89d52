package loop

import "pen/internal/account"

// lookEvery is how often the clock is looked at: for one in so many events and turns. Two looks take 70 ns, a tenth of which is shared by as many as a small request has.
// It is a prime, since what happens in turn, as a question and its answer do, would otherwise have one of its kinds measured and the others never.
const lookEvery = 13

// meter measures samples of what a loop does, so that the share of its time that is not spent waiting is known without asking the clock before and after each wait. Owned by the loop.
type meter struct {
	passed int    // since the last sample
	events uint64 // of these, not yet in the ledger
}

// due says that the next thing to be done is a sample.
func (m *meter) due() bool {
	if m.passed++; m.passed < lookEvery {
		return false
	}
	m.passed = 0
	return true
}

// worked counts a sample that began at a time, for all that it stands for.
func (l *Loop) worked(began int64) {
	l.ledger.Add(account.BusyTime, lookEvery*uint64(l.now()-began))
	l.ledger.Add(account.Events, l.meter.events)
	l.meter.events = 0
}
