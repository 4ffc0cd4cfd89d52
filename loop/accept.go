package loop

import (
	"syscall"
	"time"

	"pen/internal/account"
	"pen/internal/sys"
)

// How long accepting rests after the kernel ran out of something, at first and at most; twice as long each time that it still is out. A connection that closes here ends the rest at once.
const (
	acceptPause     = 100 * time.Millisecond
	acceptPauseMost = 16 * acceptPause
)

// futileAccepts is after how many connections in a row that were gone, or forbidden, accepting rests. A rule of a security module keeps the connection that it forbids at the head of the queue.
const futileAccepts = 64

// listener is a loop's share of the address clients connect to.
type listener struct {
	fd     *sys.FD
	deaf   bool          // taken out of the poller, which would go on reporting what cannot be accepted
	unix   bool          // of a Unix socket
	muted  bool          // refuses clients (Suspend)
	futile int           // accepts in a row that brought an error of one connection only
	rested time.Duration // the last rest; 0 once a connection was accepted
	until  uint32        // tick at which the rest is over
	paused bool          // out of descriptors or memory: rest until the timer, or until a connection closes

	// The accept rate's rest.
	paced bool   // rest until the timer
	next  uint32 // tick at which the rest is over, or the last one was; 0 there was none
}

// accept takes the connections that wait, a batch at most. If there are more the poller says so again.
func (l *Loop) accept() {
	ln := &l.listener
	if ln.deaf { // reported before it was taken out; unless that was refused
		l.poll.remove(ln.fd.Int())
		return
	}
	most := l.cfg.AcceptBatch
	if !ln.unix { // to ask how many there are is cheaper than an accept in vain, for which the kernel makes a socket, an inode and a file first
		waiting, _ := sys.ListenQueue(ln.fd.Int())
		most = min(max(waiting, 1), most)
	}
	l.take(most, l.gate.pace.Load())
}

// take accepts connections at a pace, each on to connect, until so many are taken, none is left, or accepting has to rest.
func (l *Loop) take(most int, p *pace) {
	ln := &l.listener
	for taken := 0; taken < most && !ln.paused; taken++ {
		if !l.gate.enter(l) {
			l.deafen()
			l.ledger.Add(account.LimitReached, 1)
			if l.complaints.allow(l.now()) {
				l.log.Warn("connection limit reached, clients wait", "limit", l.gate.max.Load(), "remedy", "raise -x")
			}
			return
		}
		if p != nil && !l.admit(p) {
			l.gate.leave()
			return
		}
		fd, peer, e := sys.Accept(ln.fd.Int())
		if e == 0 {
			ln.rested, ln.futile = 0, 0
			l.begin(l.open(fd, peer))
			continue
		}
		l.gate.leave()
		if p != nil {
			l.gate.ahead.Add(-p.interval)
		}
		switch judgeAccept(e) {
		case acceptDone:
			return
		case acceptRetry:
			l.ledger.Add(account.AcceptErrors, 1)
			if ln.futile++; ln.futile > futileAccepts {
				l.rest(e)
			}
		case acceptRest:
			l.ledger.Add(account.AcceptErrors, 1)
			l.rest(e)
		}
	}
}

// deafen takes the listener out of the poller until hear.
func (l *Loop) deafen() {
	if !l.listener.deaf {
		l.listener.deaf = true
		l.poll.remove(l.listener.fd.Int())
	}
}

// hear has the poller report waiting connections again, unless accepting still has to rest.
func (l *Loop) hear() {
	ln := &l.listener
	if !ln.deaf || ln.muted || ln.paused || ln.paced || l.starved.waiting.Load() || ln.fd.Int() < 0 {
		return
	}
	switch e := l.poll.add(ln.fd.Int(), 0, wantAccept); e {
	case 0, syscall.EEXIST: // it was never taken out
		ln.deaf = false
	default: // nothing else would wake an idle loop to try again
		l.rest(e)
	}
}

// hangUp closes the listener. It is taken out of the poller first: where others hold the socket too, closing does not do that, and a client that waits for them would be reported here for ever.
func (l *Loop) hangUp() {
	if l.listener.fd.Int() >= 0 {
		l.deafen()
		l.listener.fd.Close()
	}
}

// begin sets a new connection on its way: to a server, unless the operator has us answer it ourselves.
func (l *Loop) begin(c *conn) {
	if plan := l.balancer.Plan(); plan.Dummy {
		l.enterState(c, answering)
		l.schedule(c)
		l.answer(c)
		return
	}
	l.connect(c, c.began)
}

// acceptVerdict is what an accept error means for the loop. None of them ends it.
type acceptVerdict uint8

const (
	acceptDone  acceptVerdict = iota // nobody is waiting
	acceptRetry                      // this one is gone, the next may be fine
	acceptRest                       // out of something: pause
)

// judgeAccept knows accept(2)'s errors. Linux passes on errors already pending on the new socket; they concern that connection only. An errno nobody expected pauses: it can neither spin nor kill.
func judgeAccept(e syscall.Errno) acceptVerdict {
	switch e {
	case syscall.EAGAIN:
		return acceptDone
	case syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.ENONET,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM, syscall.ETIMEDOUT:
		return acceptRetry
	}
	return acceptRest
}

// rest pauses accepting; the tick or the next close resumes it.
func (l *Loop) rest(e syscall.Errno) {
	ln := &l.listener
	ln.paused, ln.rested = true, min(max(2*ln.rested, acceptPause), acceptPauseMost)
	ln.until = l.present() + ticks(ln.rested)
	l.deafen()
	l.closeParked(len(l.lot.sockets)) // descriptors may be what it is that lacks
	l.ledger.Add(account.AcceptPauses, 1)
	if l.complaints.allow(l.now()) {
		l.log.Warn("accepting pauses", "error", e, "connections", l.live, "remedy", remedy(e))
	}
	l.keepTime()
}

// unpause resumes accepting after a rest. The spare descriptor comes first: without it the next connection could be accepted but not served.
func (l *Loop) unpause() {
	if !l.listener.paused || !l.restoreSpare() {
		return
	}
	l.listener.paused = false
	l.poll.soon()
}

// restoreSpare reopens the descriptor kept for lendSpare.
func (l *Loop) restoreSpare() bool {
	if l.spare.Int() >= 0 {
		return true
	}
	fd, err := sys.NewEventFD()
	if err != nil {
		return false
	}
	l.spare = fd
	return true
}

// lendSpare gives the spare descriptor's number back to the kernel, so that a client accepted with the last descriptor can still be given its server. Accepting rests until it is restored.
func (l *Loop) lendSpare(e syscall.Errno) bool {
	if l.spare.Int() < 0 {
		return false
	}
	l.spare.Close()
	l.rest(e)
	return true
}
