package probe

import (
	"sync/atomic"
	"time"

	"pen/internal/backend"
)

// Tally is how the checks of one server have gone since Run began.
type Tally struct {
	Passed, Failed uint64
	Void           uint64        // that failed by our own trouble
	Last           time.Duration // that the last one took that was not void; 0 = there was none
}

// tally is a Tally that is still being counted.
type tally struct {
	// atomic: Run writes
	passed, failed, void atomic.Uint64
	last                 atomic.Int64 // ns
}

// Tally returns how the checks of a server have gone, also of one that is no longer watched. Safe from any goroutine.
func (p *Prober) Tally(id backend.ID) Tally {
	v, ok := p.tallies.Load(id)
	if !ok {
		return Tally{}
	}
	t := v.(*tally)
	return Tally{Passed: t.passed.Load(), Failed: t.failed.Load(), Void: t.void.Load(), Last: time.Duration(t.last.Load())}
}

// tallyOf returns a server's tally, begun if there is none.
func (p *Prober) tallyOf(id backend.ID) *tally {
	if v, ok := p.tallies.Load(id); ok {
		return v.(*tally)
	}
	v, _ := p.tallies.LoadOrStore(id, new(tally))
	return v.(*tally)
}

// judged counts a check that says something about the server.
func (t *tally) judged(passed bool, took time.Duration) {
	if passed {
		t.passed.Add(1)
	} else {
		t.failed.Add(1)
	}
	t.last.Store(int64(max(took, 1)))
}
