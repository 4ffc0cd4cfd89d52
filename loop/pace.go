package loop

import (
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

// pace is how fast connections may be accepted over all loops. Immutable once the loops have it.
type pace struct {
	rate     int   // connections a second
	interval int64 // from one to the next, ns
	burst    int64 // as many of these as may come at once, ns
}

// paceOf is a plan's pace; nil: any.
func paceOf(p *balance.Plan) *pace {
	if p.AcceptRate == 0 {
		return nil
	}
	interval := int64(time.Second) / int64(p.AcceptRate)
	return &pace{p.AcceptRate, interval, interval * int64(p.AcceptBurst)}
}

// conform is the generic cell rate algorithm (ITU-T I.371, virtual scheduling): ahead is when the connections so far would have come if they had come evenly, and one more may come if that is not too far
// ahead of now. It returns the new value and 0, or how long to wait, ns. What was not used before since is lost: now, or somewhat earlier if clients have been waiting meanwhile.
func (p *pace) conform(ahead, since, now int64) (then, wait int64) {
	then = max(ahead, since) + p.interval
	if wait = then - now - p.burst; wait > 0 {
		return ahead, wait
	}
	return then, 0
}

// setPace puts a plan's pace in force.
func (g *gate) setPace(p *balance.Plan) { g.pace.Store(paceOf(p)) }

// restMost, ns, is what is made up for behind a rest: it lasts to the end of a tick, and on a busy machine a tick may be late.
const restMost = int64(2 * tick)

// admit counts a connection in by the accept rate, before it is accepted. If it comes too soon it answers false, and the listener rests until it does not.
func (l *Loop) admit(p *pace) bool {
	ln, now := &l.listener, l.now()
	since := now
	if ln.next != 0 && l.clock-ln.next <= 1 {
		since -= restMost
	}
	for {
		ahead := l.gate.ahead.Load()
		then, wait := p.conform(ahead, since, now)
		if wait > 0 {
			l.keepPace(p, time.Duration(wait))
			return false
		}
		if l.gate.ahead.CompareAndSwap(ahead, then) {
			return true
		}
	}
}

// keepPace rests the listener: clients wait in the kernel's backlog.
func (l *Loop) keepPace(p *pace, wait time.Duration) {
	ln := &l.listener
	l.startTicking()
	ln.paced, ln.next = true, l.present()+ticks(wait)
	l.deafen()
	l.ledger.Add(account.RateReached, 1)
	if l.complaints.allow(l.now()) {
		l.log.Warn("accept rate reached, clients wait", "rate", p.rate, "remedy", "raise --accept-rate")
	}
}

// unpace ends a rest that is over.
func (l *Loop) unpace() {
	if ln := &l.listener; ln.paced && int32(l.clock-ln.next) >= 0 {
		ln.paced, ln.next = false, l.clock
		l.poll.soon()
	}
}
