package loop

import (
	"syscall"
	"time"

	"pen/internal/account"
	"pen/internal/sys"
)

// lingerTime bounds how long a connection whose one side is gone waits for the other to take its last bytes.
const lingerTime = 2 * time.Second

// ending is how a lingering connection ends.
type ending uint8

const (
	byReset ending = iota // with RST, once the peer has acknowledged what was sent before it
	byFin                 // FIN is sent; what the peer still sends is dropped until it ends too
)

// abort ends a connection one end of which is gone by RST or an error. The other end is told by RST as well, but not before it has taken the bytes that came before: RST overtakes and destroys them.
func (l *Loop) abort(c *conn, gone *end) {
	c.cause = c.resetBy(gone)
	if c.cause == account.Local { // its peer knows of nothing, and could take an end of file for the end of what was to be said
		sys.ResetOnClose(int(gone.fd))
		if l.complaints.allow(l.now()) {
			e := syscall.Errno(gone.errno)
			l.log.Warn("carry", "client", c.peer, "server", c.chosen.Name, "error", e, "blame", "local", "remedy", remedy(e))
		}
	}
	l.startLinger(c, gone, byReset)
}

// resetBy is the cause when an end is gone by an error: its errno tells a peer that said so from one that fell silent.
func (c *conn) resetBy(gone *end) account.Cause {
	e := syscall.Errno(gone.errno)
	lost := isLost(e)
	switch {
	case isOurs(e):
		return account.Local
	case gone == &c.server && lost:
		return account.ServerLost
	case gone == &c.server:
		return account.ServerReset
	case lost:
		return account.ClientLost
	}
	return account.ClientReset
}

func (l *Loop) startLinger(c *conn, gone *end, how ending) {
	l.submitFor(c)
	l.drop(gone)
	l.empty(&c.up)
	l.empty(&c.down)
	c.ending = how
	l.enterState(c, lingering)
	l.linger(c)
}

// survivor returns the end a lingering connection still has, and the direction that leads to it.
func (c *conn) survivor() (*end, *half) {
	if c.client.fd >= 0 {
		return &c.client, &c.down
	}
	return &c.server, &c.up
}

// failure looks into an error event that no read will come across, because reading from that end is over. The kernel is asked before it is believed; 0: nothing is wrong.
func failure(e *end) syscall.Errno {
	if !e.failed {
		return 0
	}
	e.failed = false
	return sys.PendingError(int(e.fd))
}

// linger moves a lingering connection on: away with what comes in, and the close when the peer has everything, or is gone, or its time is up.
// Invariant: nothing is pending. A source's end or error is met only by reading, and reading waits until the bytes before it are out; what a connection out of time held is dropped (expel).
func (l *Loop) linger(c *conn) {
	s, to := c.survivor()
	late := l.clock-c.active >= ticks(lingerTime)
	switch {
	case late, to.broken, failure(s) != 0, c.ending == byReset && unsent(s) == 0, c.ending == byFin && l.discard(s):
		l.close(c, c.cause)
	default:
		if c.ending == byFin && l.watch(s, false) != 0 {
			l.close(c, account.Local)
			return
		}
		l.setTimer(c, tick) // nothing tells when the peer has acknowledged: look again
	}
}

// unsent returns how many bytes a socket's peer has not acknowledged; 0 also if the kernel will not say.
func unsent(e *end) int {
	n, _ := sys.Unsent(int(e.fd))
	return n
}

// discard reads and drops, a turn's budget at most, and reports whether the end of the stream was met.
func (l *Loop) discard(e *end) (ended bool) {
	for budget := turnBytes; e.readable && budget > 0; {
		n, errno := sys.Recv(int(e.fd), l.buf)
		switch {
		case errno == syscall.EAGAIN:
			e.readable = false
		case errno != 0 || n == 0:
			return true
		}
		budget -= n
	}
	return false
}

// close is the only way out: it gives back everything a connection owns, in the reverse order of how it was got, and counts it out.
func (l *Loop) close(c *conn, why account.Cause) {
	l.submitFor(c)
	if c.state == lingering && c.ending == byReset {
		s, _ := c.survivor()
		sys.ResetOnClose(int(s.fd))
	}
	if c.state == tarpitted {
		l.pull(c)
	}
	l.leave(c)
	l.noteFirst(c)
	if (why.Abnormal() || l.witness != nil) && (!overLimit(why) || l.refusals.allow(l.now())) {
		l.record(c, why)
	}
	server := uint32(0) // none
	if s := c.lastServer(); s != nil {
		server = uint32(s.ID)
	}
	l.empty(&c.up)
	l.empty(&c.down)
	if c.state == queued {
		l.dequeue(c)
	}
	l.cancelTimer(c)
	if !l.park(c) {
		l.drop(&c.server)
	}
	if c.chosen != nil {
		if c.state == connecting || c.idler {
			l.balancer.Abandoned(c.chosen)
		} else {
			l.balancer.Closed(c.chosen)
		}
		c.chosen = nil
		l.line.freed()
	}
	l.drop(&c.client)
	if c.idler {
		l.idlers--
	}
	l.endSearch(c)
	l.numbers.put(c.number)
	c.state = dead
	l.live--
	l.ledger.Ended(why, server)
	l.gate.leave()
	l.unpause()
	if l.state == draining {
		l.poll.soon()
	}
	l.recycle(c)
}

// drop closes one end's socket. Closing takes it out of the poller too; events of it already fetched find nobody.
func (l *Loop) drop(e *end) {
	if e.fd < 0 {
		return
	}
	l.ends.put(int(e.fd), nil)
	sys.Close(int(e.fd))
	e.fd = -1
}

// recycle puts a dead connection on the free list, unless it still is on another: it is called again then.
func (l *Loop) recycle(c *conn) {
	if c.listed || c.dialling {
		return
	}
	c.timer.next = l.free
	l.free = c
}
