package loop

import (
	"slices"
	"syscall"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

// marks are the moments of a connection. Times since it began are in microseconds, 0 for never, and stop at 71 minutes.
type marks struct {
	began                         int64 // accepted; unix ns
	connected, firstUp, firstDown uint32
	active                        uint32 // tick of the last byte moved, or at which the present state was entered or a direction ended
}

// mark is a moment as microseconds since the connection began.
func (m *marks) mark(now int64) uint32 {
	return uint32(min(max(now-m.began, 1000)/1000, 1<<32-1))
}

// noteFirst marks the first bytes that a side has taken. They are found out about at the end of a turn or of the connection, some microseconds late.
func (l *Loop) noteFirst(c *conn) {
	if c.firstUp == 0 && c.up.bytes > 0 {
		c.firstUp = c.mark(l.now())
	}
	if c.firstDown == 0 && c.down.bytes > 0 {
		c.firstDown = c.mark(l.now())
		l.ledger.Heard(uint32(c.chosen.ID), time.Duration(c.firstDown-c.connected)*time.Microsecond)
	}
}

// Witness is told of every ending. Closed must not block, and may not keep the trail.
type Witness interface {
	Closed(t *account.Trail)
}

// lastServer is the one that a connection was given, or else tried last; nil if none.
func (c *conn) lastServer() *balance.Server {
	if c.chosen == nil && c.search != nil {
		return c.search.last
	}
	return c.chosen
}

// record writes down how a connection ended, while it still has everything.
func (l *Loop) record(c *conn, why account.Cause) {
	if c.idler {
		return
	}
	now := l.now()
	t := account.Trail{
		Ended: now, Client: c.peer, Cause: why, Number: int(c.number), Up: c.up.bytes, Down: c.down.bytes,
		Connected: since(c.connected), FirstUp: since(c.firstUp), FirstDown: since(c.firstDown), Lasted: time.Duration(now - c.began),
	}
	if s := c.lastServer(); s != nil {
		t.Server, t.Why = s.Name, c.why.String()
		if c.chosen == nil {
			t.Errno = c.search.failure
		}
	}
	switch why {
	case account.ClientReset, account.ClientLost:
		t.Errno = syscall.Errno(c.client.errno)
	case account.ServerReset, account.ServerLost:
		t.Errno = syscall.Errno(c.server.errno)
	case account.Local:
		if t.Errno == 0 { // of the one of the two that had the trouble
			t.Errno = syscall.Errno(max(c.client.errno, c.server.errno))
		}
	}
	if why.Abnormal() {
		l.closes.Keep(&t)
	}
	if l.witness != nil {
		l.witness.Closed(&t)
	}
}

func since(mark uint32) time.Duration {
	if mark == 0 {
		return account.Never
	}
	return time.Duration(mark) * time.Microsecond
}

// Closes returns the last abnormal endings of all loops, the oldest first.
func (g *Group) Closes() []account.Trail {
	var all []account.Trail
	g.ask(func(l *Loop) {
		for t := range l.closes.Each {
			all = append(all, *t)
		}
	})
	slices.SortStableFunc(all, func(a, b account.Trail) int { return int(min(max(a.Ended-b.Ended, -1), 1)) })
	return all
}

// WitnessBy has every ending told to w, from now on; nil: to nobody.
func (g *Group) WitnessBy(w Witness) { g.ask(func(l *Loop) { l.witness = w }) }
