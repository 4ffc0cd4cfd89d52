package loop

import (
	"syscall"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// connect gives a connection a server: it chooses, dials, and on to the next until one is under way or none is left.
func (l *Loop) connect(c *conn) {
	l.enterState(c, connecting)
	for {
		now := l.now()
		choice, ok := l.balancer.Choose(c.balanceClient(), now, l.attemptOf(c))
		if !ok {
			why := account.NoServer
			if c.attempt.Denied() {
				why = account.Denied
			}
			l.close(c, why)
			return
		}
		c.chosen, c.why = choice.Server, choice.Why
		switch e := l.dial(c); {
		case e == 0:
			l.established(c)
			return
		case inProgress(e):
			l.setTimer(c, l.balancer.Plan().ConnectTimeout)
			return
		default:
			l.undial(c, e)
		}
	}
}

// attemptOf returns the connection's walk over the servers, begun if it is not. Only connections that are looking for a server have one: idle ones are many.
func (l *Loop) attemptOf(c *conn) *balance.Attempt {
	if c.attempt != nil {
		return c.attempt
	}
	if last := len(l.attempts) - 1; last >= 0 {
		c.attempt = l.attempts[last]
		l.attempts = l.attempts[:last]
	} else {
		c.attempt = new(balance.Attempt)
	}
	return c.attempt
}

func (l *Loop) endAttempt(c *conn) {
	if c.attempt != nil {
		*c.attempt = balance.Attempt{}
		l.attempts = append(l.attempts, c.attempt)
		c.attempt = nil
	}
}

// dial starts a connection to the chosen server. EINPROGRESS: its event will come.
func (l *Loop) dial(c *conn) syscall.Errno {
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
	if to.Path == "" {
		if e := l.tuning.Apply(fd); e != 0 {
			return e
		}
		l.bindSource(c, fd)
	}
	e = ask(fd, to)
	if e == syscall.EINPROGRESS && l.watch(&c.server, true) != nil {
		return syscall.ENOMEM
	}
	return e
}

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
	e := ask(int(c.server.fd), &c.chosen.Addr)
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
		l.connect(c)
	}
}

// inProgress tells a connect that is under way.
func inProgress(e syscall.Errno) bool { return e == syscall.EINPROGRESS || e == syscall.EALREADY }

// undial takes back a dial that failed: the socket, and the choice, with a verdict on whose fault it was.
func (l *Loop) undial(c *conn, e syscall.Errno) {
	l.drop(&c.server)
	server := c.chosen
	c.chosen = nil
	switch {
	case ours(e):
		l.ledger.Add(account.LocalErrors, 1)
		l.balancer.Abandoned(server)
		if l.complaints.allow(l.now()) {
			l.log.Warn("connect", "server", server.Name, "error", e, "blame", "local")
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

// ours tells the connect errors that are no server's fault: descriptors, memory, ports, our own rules. EAGAIN is a Unix socket's full backlog: a busy server, not a dead one.
func ours(e syscall.Errno) bool {
	switch e {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EPERM, syscall.EAGAIN,
		syscall.EAFNOSUPPORT, syscall.EINVAL:
		return true
	}
	return false
}

// established starts forwarding: the server stands, and whatever the client has sent already goes out at once.
func (l *Loop) established(c *conn) {
	c.server.readable, c.server.writable = true, true
	l.balancer.Connected(c.balanceClient(), l.now(), c.chosen, c.attempt)
	l.endAttempt(c)
	plan := l.balancer.Plan()
	if plan.Forwarded && c.peer.IsValid() && l.cfg.NewFilter != nil {
		c.filter = l.cfg.NewFilter(c.peer.Addr())
	}
	if c.filter != nil || l.access != nil {
		c.up.flow.Start(splice.Never) // what is to be seen has to be read
	}
	l.enterState(c, forwarding)
	l.setTimer(c, plan.IdleTimeout)
	l.carry(c)
}
