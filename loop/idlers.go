package loop

import (
	"net/netip"

	"pen/internal/account"
	"pen/internal/balance"
)

// Idlers are connections to servers with no client, kept open because the operator wants them, for servers that must not see their last client go. What they send is dropped.

// wantedIdlers is this loop's share of them.
func (l *Loop) wantedIdlers() int {
	return share(l.balancer.Plan().Idlers, l.cfg.Loops, l.numbers.first)
}

// keepIdlers opens and closes idlers until there are as many as wanted; one that failed is tried again at the next tick.
func (l *Loop) keepIdlers() {
	if l.state != running {
		return
	}
	for missing := l.wantedIdlers() - l.idlers; missing > 0 && l.gate.enter(l); missing-- {
		c := l.open(-1, netip.AddrPort{})
		c.idler = true
		l.idlers++
		l.connectIdler(c)
	}
	for _, e := range l.ends.all() {
		if l.idlers <= l.wantedIdlers() {
			return
		}
		if e.conn.idler {
			l.close(e.conn, account.Forced)
		}
	}
}

// connectIdler dials one server, in turn, and gives up if that fails: there is always a next tick.
func (l *Loop) connectIdler(c *conn) {
	l.enterState(c, connecting)
	var choice balance.Choice
	var ok bool
	if choice, ok = l.balancer.Spare(l.now()); !ok {
		l.close(c, account.NoServer)
		return
	}
	c.chosen, c.why = choice.Server, choice.Why
	e := l.openServer(c)
	if e == 0 {
		e = ask(int(c.server.fd), &c.chosen.Addr)
	}
	switch {
	case e == 0:
		l.enterState(c, idling)
		l.idle(c)
	case inProgress(e) && l.watch(&c.server, true) == 0:
		l.schedule(c)
	default:
		l.undial(c, e)
		l.close(c, account.NoServer)
	}
}

// idle drops what an idler's server sends, and ends the idler with it.
func (l *Loop) idle(c *conn) {
	if l.discard(&c.server) {
		l.close(c, account.ServerFin)
		return
	}
	if l.watch(&c.server, false) != 0 {
		l.close(c, account.Local)
		return
	}
	if c.server.readable { // the budget is spent
		l.later(c)
	}
}
