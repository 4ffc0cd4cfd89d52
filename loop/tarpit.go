package loop

import (
	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

// refusedFor is the cause of a connection's end by why the balancer refused its client.
var refusedFor = [...]account.Cause{balance.Denied: account.Denied, balance.TooMany: account.ClientLimit, balance.TooFast: account.ClientRate}

// overLimit tells the endings of clients that ask for more than one client may. There may be very many.
func overLimit(why account.Cause) bool {
	return why == account.ClientLimit || why == account.ClientRate
}

// turnAway is what becomes of a connection that no server could be had for. One over its client's limits is held in the tarpit, if that is the plan and there is room, or reset at once:
// then the kernel keeps nothing of it, as it would of one that we are the first to close.
func (l *Loop) turnAway(c *conn, why account.Cause) {
	over, plan := overLimit(why), l.balancer.Plan()
	if over {
		if l.complaints.allow(l.now()) {
			l.log.Warn("client refused", "client", c.peer, "cause", why, "answer", plan.OverLimit)
		}
		if plan.OverLimit == balance.Tarpit && l.state == running && l.gate.enterPit() {
			l.detain(c, why)
			return
		}
	}
	if over || c.up.pending() || why != account.Denied && plan.OnNoServer == balance.CloseByReset { // what it has said nobody will get: it is to know
		sys.ResetOnClose(int(c.client.fd))
	}
	l.close(c, why)
}

// detain puts a connection into the tarpit. It is not read: what it costs is its descriptor, its place in the wheel, and what the kernel takes from the client until the window is full.
func (l *Loop) detain(c *conn, why account.Cause) {
	c.cause = why
	l.endSearch(c)
	l.empty(&c.up)
	l.ledger.Add(account.Tarpitted, 1)
	l.enterState(c, tarpitted)
	l.setTimer(c, l.cfg.TarpitTime)
	e := &c.client
	e.thorough = false // from here on it says that the client has gone
	e.watching = watchingReads
	if l.poll.add(int(e.fd), e.serial, wantEnd) != 0 {
		l.close(c, account.Local)
	}
}

// letGo ends a connection in the tarpit whose client is gone. A hint suffices: there is nothing that could be lost.
func (l *Loop) letGo(c *conn) {
	if c.client.thorough {
		l.close(c, c.cause)
	}
}

// pull takes a connection that is about to be closed out of the tarpit. The client is not to keep its end any longer than we do.
func (l *Loop) pull(c *conn) {
	l.gate.leavePit()
	sys.ResetOnClose(int(c.client.fd))
}
