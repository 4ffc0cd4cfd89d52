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

// listener is a loop's share of the address clients connect to.
type listener struct {
	fd     *sys.FD
	more   bool          // connections may be waiting: the last accept did not say there are none
	unix   bool          // of a Unix socket
	rested time.Duration // the last rest; 0 once a connection was accepted
	until  uint32        // tick at which the rest is over
	paused bool          // out of descriptors or memory: rest until the timer, or until a connection closes
}

// accept takes waiting connections, a batch at most, each on to connect.
func (l *Loop) accept() {
	ln := &l.listener
	ln.more = true // also while accepting rests: the event that brought us here will not come again
	if ln.paused || ln.fd.Int() < 0 {
		return
	}
	for range l.cfg.AcceptBatch {
		if !l.gate.enter(l) {
			l.ledger.Add(account.LimitReached, 1)
			if l.complaints.allow(l.now()) {
				l.log.Warn("connection limit reached, clients wait", "limit", l.gate.max.Load(), "remedy", "raise -x")
			}
			return
		}
		fd, peer, e := sys.Accept(ln.fd.Int())
		if e == 0 {
			ln.rested = 0
			l.begin(l.open(fd, peer))
			if ln.paused {
				return
			}
			continue
		}
		l.gate.leave()
		switch judgeAccept(e) {
		case acceptDone:
			ln.more = false
			return
		case acceptRetry:
			l.ledger.Add(account.AcceptErrors, 1)
		case acceptRest:
			l.ledger.Add(account.AcceptErrors, 1)
			l.rest(e)
			return
		}
	}
	l.poll.soon()
}

// begin sets a new connection on its way: to a server, unless the operator has us answer it ourselves.
func (l *Loop) begin(c *conn) {
	if plan := l.balancer.Plan(); plan.Dummy {
		l.enterState(c, answering)
		l.setTimer(c, plan.IdleTimeout)
		l.answer(c)
		return
	}
	l.connect(c)
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
	l.ledger.Add(account.AcceptPauses, 1)
	if l.complaints.allow(l.now()) {
		l.log.Warn("accepting pauses", "error", e, "connections", l.live, "remedy", "raise the descriptor limit (ulimit -n) or lower -x")
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
