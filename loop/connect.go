package loop

import (
	"syscall"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// connect gives a connection a server: it chooses, dials, and on to the next until one is under way or none is left. If there is none because all are full it may wait (queue.go).
func (l *Loop) connect(c *conn, now int64) {
	if c.search == nil && l.yields() && l.wait(c) {
		return
	}
	for ; ; now = l.now() {
		s := l.searchOf(c)
		choice, ok := l.balancer.Choose(c.balanceClient(), now, &s.Attempt)
		if s.asked == 0 {
			l.ledger.Add(visit(s.Known()), 1)
			c.stay = s.Stay()
		}
		s.asked = now
		if !ok {
			if !s.Waits() || !l.wait(c) {
				l.turnAway(c, l.unserved(c))
			}
			return
		}
		if c.state == queued {
			l.dequeue(c)
		}
		l.enterState(c, connecting)
		c.chosen, c.why = choice.Server, choice.Why
		e := l.openServer(c)
		if e == 0 {
			near := !l.distant.is(uint32(c.chosen.ID))
			if near && l.dialLater(c) {
				return
			}
			if e = ask(int(c.server.fd), &c.chosen.Addr); e == syscall.EINPROGRESS && near && l.cfg.Shortcuts {
				e = l.greetAtOnce(c)
			}
		}
		if l.dialled(c, e) {
			return
		}
	}
}

// dialled goes on as a dial has begun, and reports whether it may still succeed. If not it has been taken back.
func (l *Loop) dialled(c *conn, e syscall.Errno) bool {
	if inProgress(e) {
		l.schedule(c)
		if e = l.watch(&c.server, true); e == 0 {
			return true
		}
	}
	if e == 0 {
		l.established(c)
		return true
	}
	l.undial(c, e)
	return false
}

// visit is what a client that comes counts as.
func visit(known bool) account.Count {
	if known {
		return account.Returned
	}
	return account.Newcomers
}

// search is a connection's walk over the servers. Only connections that are looking for a server have one: idle ones are many.
type search struct {
	balance.Attempt
	last    *balance.Server // tried
	failure syscall.Errno   // of that one
	asked   int64           // when the balancer was asked for a server last; unix ns, 0 = not yet
	queuing                 // its place in the queue
}

// searchOf returns the connection's search, begun if it is not.
func (l *Loop) searchOf(c *conn) *search {
	if c.search != nil {
		return c.search
	}
	if last := len(l.searches) - 1; last >= 0 {
		c.search = l.searches[last]
		l.searches = l.searches[:last]
	} else {
		c.search = new(search)
	}
	return c.search
}

func (l *Loop) endSearch(c *conn) {
	if c.search != nil {
		*c.search = search{}
		l.searches = append(l.searches, c.search)
		c.search = nil
	}
}

// unserved is why a client got no server.
func (l *Loop) unserved(c *conn) account.Cause {
	s := c.search
	switch {
	case s.Refusal() != balance.NotRefused:
		return refusedFor[s.Refusal()]
	case s.Waits(), s.last == nil && s.Full():
		return account.AtLimit
	case s.last == nil:
		return account.NoServer
	case !blamed(s.failure):
		return account.Local
	case s.failure == syscall.ETIMEDOUT:
		return account.ConnectTimedOut
	}
	return account.ConnectRefused
}

// openServer makes the socket for a connection to the chosen server.
func (l *Loop) openServer(c *conn) syscall.Errno {
	if l.unpark(c) {
		return 0
	}
	to := &c.chosen.Addr
	fd, e := sys.Socket(family(to))
	if (e == syscall.EMFILE || e == syscall.ENFILE) && l.lendSpare(e) {
		fd, e = sys.Socket(family(to))
	}
	if e != 0 {
		return e
	}
	c.server = end{conn: c, fd: int32(fd), thorough: to.Path != ""}
	l.enter(&c.server)
	c.tuned = to.Path != ""
	if to.Path == "" {
		c.plain = l.natural()
		if name := l.cfg.congestion(to.IP.Addr()); name != "" {
			if e := sys.SetCongestion(fd, name); e != 0 && l.complaints.allow(l.now()) { // it goes without
				l.log.Warn("congestion control", "name", name, "server", c.chosen.Name, "error", e)
			}
		}
		if !l.cfg.Shortcuts {
			l.tune(c)
		}
		l.bindSource(c, fd)
	}
	return 0
}

// tune gives the server's socket its options: five or six calls, put off (Config.Shortcuts) until the connection turns out to be more than one small message each way, or has lasted tuneDelay.
// Until then none of them would have any effect. They cannot be refused to a TCP socket.
func (l *Loop) tune(c *conn) {
	if !c.tuned {
		c.tuned = true
		l.tuning.Apply(int(c.server.fd))
	}
}

const (
	// tuneDelay is far below what keepalive and TCP_USER_TIMEOUT, whole seconds, could do anything about.
	tuneDelay = time.Second

	// untunedBytes fit one packet everywhere (RFC 879): Nagle's algorithm sends the first packet at once, and would hold back the rest of a larger message.
	untunedBytes = 536
)

// bindSource gives a socket the address the plan wants servers to see. As in Pen a refusal is logged, and the connection is made from the system's choice.
func (l *Loop) bindSource(c *conn, fd int) {
	plan, to := l.balancer.Plan(), c.chosen.Addr.IP.Addr()
	from := plan.Source
	transparent := !from.IsValid() && plan.Transparent
	if transparent {
		from = c.peer.Addr()
	}
	if !from.IsValid() || from.Is4() != to.Is4() {
		return
	}
	if e := sys.BindSource(fd, from, transparent); e != 0 && l.complaints.allow(l.now()) {
		l.log.Warn("connect from", "source", from, "server", c.chosen.Name, "error", e)
	}
}

// ask starts a connection, and asks after it when called again.
func ask(fd int, to *balance.Address) syscall.Errno {
	if to.Path != "" {
		return sys.ConnectPath(fd, to.Path)
	}
	return sys.ConnectIP(fd, to.IP)
}

func family(to *balance.Address) int {
	switch {
	case to.Path != "":
		return sys.Local
	case to.IP.Addr().Is4():
		return sys.Inet
	}
	return sys.Inet6
}

// connected finds out how a connect went: when its server stirred, or late, when its time is up. The answer may be there by then, with only its event still to come.
func (l *Loop) connected(c *conn, late bool) {
	e := l.outcome(c)
	underWay := inProgress(e)
	switch {
	case (e == 0 || e == syscall.EISCONN) && c.idler:
		l.cancelTimer(c)
		l.enterState(c, idling)
		l.idle(c)
	case e == 0, e == syscall.EISCONN:
		l.established(c)
	case underWay && !late: // a stale or early event
		l.ledger.Add(account.Stale, 1)
	default:
		if underWay {
			e = syscall.ETIMEDOUT
		}
		l.undial(c, e)
		if c.idler {
			l.close(c, account.NoServer)
			return
		}
		l.connect(c, l.now())
	}
}

// outcome is how a connect stands, in connect's own words. The server is asked only if nothing else tells.
func (l *Loop) outcome(c *conn) syscall.Errno {
	if l.cfg.Shortcuts && !c.idler {
		if e := l.greet(c); e != syscall.EINPROGRESS || c.up.tail != nil {
			return e
		}
		if c.server.stands {
			return 0
		}
	}
	return ask(int(c.server.fd), &c.chosen.Addr)
}

// inProgress tells a connect that is under way.
func inProgress(e syscall.Errno) bool { return e == syscall.EINPROGRESS || e == syscall.EALREADY }

// undial takes back a dial that failed: the socket, and the choice, with a verdict on whose fault it was.
func (l *Loop) undial(c *conn, e syscall.Errno) {
	l.drop(&c.server)
	server := c.chosen
	c.chosen = nil
	if c.search != nil {
		c.search.last, c.search.failure = server, e
	}
	switch {
	case !blamed(e):
		l.ledger.Add(account.LocalErrors, 1)
		l.balancer.Abandoned(server)
		if l.complaints.allow(l.now()) {
			l.log.Warn("connect", "server", server.Name, "error", e, "blame", "local", "remedy", remedy(e))
		}
		return
	case e == syscall.ETIMEDOUT:
		l.ledger.Add(account.TimedOut, 1)
	default:
		l.ledger.Add(account.Refused, 1)
	}
	if l.balancer.Failed(server, l.now()) {
		l.log.Warn("blacklisting server", "server", server.Name, "address", server.Addr, "client", c.peer, "error", e, "for", l.balancer.Plan().BlacklistTime)
	}
}

// established starts forwarding: the server stands, and whatever the client has sent already goes out at once. What the server says will be announced: to be read it must be watched anyway.
func (l *Loop) established(c *conn) {
	c.server.writable = true
	now := l.now()
	c.connected = c.mark(now)
	if c.up.bytes > 0 { // by greet
		c.firstUp = c.connected
	}
	l.ledger.Connected(uint32(c.chosen.ID), time.Duration(now-c.search.asked))
	l.balancer.Connected(c.balanceClient(), now, c.chosen, &c.search.Attempt)
	l.endSearch(c)
	plan := l.balancer.Plan()
	unheard := c.up.bytes == 0 && !c.up.pending() // a filter that the operator asked for just now would begin in the middle
	if plan.Forwarded && unheard && c.peer.IsValid() && l.cfg.NewFilter != nil {
		c.filter = l.cfg.NewFilter(c.peer.Addr())
	}
	if c.filter != nil || l.access != nil || l.tap != nil {
		c.up.flow.Start(splice.Never) // what is to be seen has to be read
	}
	if l.tap != nil {
		c.down.flow.Start(splice.Never)
	}
	l.enterState(c, forwarding)
	l.schedule(c)
	l.carry(c)
}
