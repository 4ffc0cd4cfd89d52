package loop

import (
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

// timeouts are a plan's, in ticks; 0 none.
type timeouts struct {
	connect    uint32 // a server's, to take the connection
	firstByte  uint32 // the client's, to say something
	idle       uint32 // with no byte moved
	halfClosed uint32 // with one direction over, and no byte moved by the other
	stall      uint32 // with bytes waiting in a direction, and none of them moved
	lifetime   uint32 // in all
}

// longest is more than any connection lasts, three years in ticks: it keeps two moments within the half of the clock's range in which one can be told to come before the other.
const longest = 1 << 30

func timeoutsOf(p *balance.Plan) timeouts {
	limit := func(d time.Duration) uint32 { return ticks(min(d, longest*tick)) }
	return timeouts{limit(p.ConnectTimeout), limit(p.FirstByteTimeout), limit(p.IdleTimeout), limit(p.HalfClosedTimeout), limit(p.StallTimeout), limit(p.Lifetime)}
}

// deadline is when a connection's time is up if nothing more happens to it, and what it ends for then.
type deadline struct {
	at  uint32 // tick
	why account.Cause
	set bool // false: it may go on like this for ever
}

// limit moves a deadline forward to a limit's length after a moment. Of two at the same tick the first stays.
func (d *deadline) limit(from, length uint32, why account.Cause) {
	at := from + length + 1 // the tick in which it began may have been almost over
	if length > 0 && (!d.set || int32(at-d.at) < 0) {
		*d = deadline{at, why, true}
	}
}

// deadline is a connection's, accepted at a tick. It goes by the connection's state and marks alone.
func (c *conn) deadline(born uint32, lim *timeouts) (d deadline) {
	switch c.state {
	case connecting:
		d.limit(c.active, lim.connect, account.ConnectTimedOut)
		if c.idler {
			return d
		}
	case answering:
		d.limit(born, lim.firstByte, account.FirstByte)
		d.limit(c.active, lim.idle, account.Idle)
	case forwarding:
		if c.down.pending() {
			d.limit(c.down.moved, lim.stall, account.ClientStalled)
		}
		if c.up.pending() {
			d.limit(c.up.moved, lim.stall, account.ServerStalled)
		}
		if c.up.over() != c.down.over() {
			d.limit(c.active, lim.halfClosed, account.HalfClosed)
		}
		if c.up.bytes == 0 && !c.up.pending() && !c.up.eof && !c.up.broken {
			d.limit(born, lim.firstByte, account.FirstByte)
		}
		d.limit(c.active, lim.idle, account.Idle)
	default:
		return d
	}
	d.limit(born, lim.lifetime, account.Lifetime)
	return d
}

// deadline is a connection's at this moment.
func (l *Loop) deadline(c *conn) deadline {
	born := uint32((c.began - l.cfg.epoch.UnixNano()) / int64(tick))
	return c.deadline(born, &l.timeouts)
}

// schedule has a connection looked at when its time may be up, at the next tick if it already is: what it has to say for itself may be there, with only its event still to come.
// Bytes that move put the deadline off and leave the timer as it is: judge finds out.
func (l *Loop) schedule(c *conn) {
	d := l.deadline(c)
	if c.state == forwarding && !c.tuned {
		d.limit(l.clock, ticks(tuneDelay), d.why) // a look, and no end: judge knows nothing of it
	}
	if !d.set {
		l.cancelTimer(c)
		return
	}
	l.startTicking()
	if next := l.clock + 1; int32(d.at-next) < 0 {
		d.at = next
	}
	l.wheel.set(c, d.at)
}

// within has a connection that is under a limit from now on looked at in time. One that will be anyway costs nothing.
func (l *Loop) within(c *conn, limit uint32) {
	if limit == 0 {
		return
	}
	l.startTicking()
	if at := l.clock + limit + 1; !c.timed || int32(c.due-at) > 0 {
		l.wheel.set(c, at)
	}
}

// await is told that bytes of a direction wait for their destination, and whether it is the same bytes since it was told last.
func (l *Loop) await(c *conn, h *half, same bool) {
	l.within(c, l.timeouts.stall)
	if !same {
		h.moved = l.clock
	}
}

// halve is told that a direction has ended. If the other goes on the connection is half closed, and the end counts as a sign of life.
func (l *Loop) halve(c *conn) {
	if c.up.over() != c.down.over() {
		l.within(c, l.timeouts.halfClosed)
		c.active = l.clock
	}
}

// judge looks at a connection whose time may be up.
func (l *Loop) judge(c *conn) {
	switch d := l.deadline(c); {
	case !d.set || int32(l.clock-d.at) < 0:
		if c.state == forwarding {
			l.tune(c)
		}
		l.schedule(c)
	case d.why == account.ConnectTimedOut:
		l.connected(c, true)
	default:
		l.expel(c, d.why)
	}
}

// expel ends a connection whose time is up. What the kernel has for a peer that takes it still reaches it. A stream that is cut short, with bytes that were read and go nowhere, ends with RST and no FIN:
// at once for a peer that does not take them, and for its opposite, as after any loss, behind what it was sent before.
func (l *Loop) expel(c *conn, why account.Cause) {
	if c.state != forwarding {
		if c.up.pending() {
			sys.ResetOnClose(int(c.client.fd))
		}
		l.close(c, why)
		return
	}
	c.cause = why
	gone, cut, stays, rest := &c.server, &c.up, &c.client, &c.down
	if why == account.ClientStalled {
		gone, cut, stays, rest = &c.client, &c.down, &c.server, &c.up
	}
	if cut.pending() {
		sys.ResetOnClose(int(gone.fd))
	}
	stalled := why == account.ClientStalled || why == account.ServerStalled
	switch {
	case rest.pending(), stalled && !rest.shut:
		l.startLinger(c, gone, byReset)
	case stays.readable: // closed with bytes unread the kernel would send RST, which destroys what is on its way
		if !rest.shut {
			sys.ShutWrite(int(stays.fd))
		}
		l.startLinger(c, gone, byFin)
	default:
		l.close(c, why)
	}
}

// refresh looks at the published plan's timeouts again: they hold for what is there. Of a connection that was under none the marks are as old as the clock stood still, so that its time begins now.
func (l *Loop) refresh() {
	lim := timeoutsOf(l.balancer.Plan())
	if lim == l.timeouts {
		return
	}
	l.timeouts = lim
	l.startTicking()
	for c := range l.connections() {
		switch c.state {
		case connecting, answering, forwarding:
			if !c.timed {
				c.active, c.up.moved, c.down.moved = l.clock, l.clock, l.clock
			}
			l.schedule(c)
		}
	}
}
