package loop

import (
	"syscall"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

const (
	// turnBytes is what one direction of one connection may move before others have their turn, bytes. Two pipes' worth: enough to amortise the wake-up, about a millisecond of copying.
	turnBytes = 1 << 20

	// tellBytes is how far the servers' byte counts may lag behind a running connection; less would touch a shared cache line at every event.
	// Whoever asks for the figures has them told first (Settle).
	tellBytes = 1 << 20
)

// carry moves what can be moved, both ways, and sees to it that the loop hears of the rest.
func (l *Loop) carry(c *conn) {
	before := c.up.bytes + c.down.bytes
	if !c.up.still(&c.client) {
		l.forward(c, &c.up, &c.client, &c.server)
	}
	if c.state == forwarding && !c.down.still(&c.server) {
		l.forward(c, &c.down, &c.server, &c.client)
	}
	if c.state != forwarding {
		return
	}
	if c.up.eof && !c.down.over() {
		if e := failure(&c.client); e != 0 {
			c.client.errno = uint8(e)
			l.abort(c, &c.client)
			return
		}
	}
	if c.down.eof && !c.up.over() {
		if e := failure(&c.server); e != 0 {
			l.giveUp(c, &c.up, &c.server, e)
			if c.state != forwarding {
				return
			}
		}
	}
	if c.up.over() && c.down.over() {
		l.settle(c)
		return
	}
	if c.client.watching == unwatched && !l.hold(c, &c.client, false) || c.server.watching <= enrolled && !l.hold(c, &c.server, false) {
		return
	}
	carried := c.up.bytes + c.down.bytes
	if carried != before {
		c.active = l.clock
		l.noteFirst(c)
	}
	if c.up.untold()+c.down.untold() >= tellBytes {
		l.tell(c)
	}
}

// hold watches an end of a connection that forwards, and reports whether it still does.
func (l *Loop) hold(c *conn, e *end, out bool) bool {
	errno := l.watch(e, out)
	if errno != 0 {
		e.errno = uint8(errno)
		l.abort(c, e)
	}
	return errno == 0
}

// forward moves one direction on: first out what is in hand, then in what can be read, until the source is empty, the destination full, the direction ended or the budget spent.
// It may end the connection's forwarding (a reset, or no memory to wait with).
func (l *Loop) forward(c *conn, h *half, src, dst *end) {
	waited, before := h.pending(), h.bytes
	for budget := turnBytes; ; {
		if h.pending() {
			if dst.writable {
				l.flush(c, h, dst)
			}
			if h.pending() {
				if l.hold(c, dst, true) {
					l.await(c, h, waited && h.bytes == before)
				}
			}
			if h.pending() || c.state != forwarding {
				return
			}
		}
		switch {
		case !src.readable && !h.eof:
			l.restPipe(h)
			return
		case h.batch == inside: // it has to be seen first whether the destination takes it
			l.submit()
			continue
		case h.eof:
			l.finish(c, h, dst)
			return
		case budget <= 0:
			l.later(c)
			return
		}
		n, e := l.read(c, h, src, dst, budget)
		budget -= n
		if c.state != forwarding { // the filter had enough
			return
		}
		if e != 0 && e != syscall.EAGAIN {
			src.errno = uint8(e)
			l.abort(c, src)
			return
		}
	}
}

// read takes bytes from the source by whichever way suits the direction, and sends them on if that needs no waiting.
func (l *Loop) read(c *conn, h *half, src, dst *end, budget int) (n int, e syscall.Errno) {
	if h.broken || src.urgent || !h.flow.Splicing() {
		return l.readCopy(c, h, src, dst)
	}
	if h.pipe == nil {
		if h.pipe = l.pipes.Get(); h.pipe == nil {
			h.flow.NoPipe()
			return l.readCopy(c, h, src, dst)
		}
	}
	n, e = h.pipe.Drain(int(src.fd), budget)
	switch {
	case e == syscall.EAGAIN: // the pipe was empty, so it is the socket that has nothing
		src.readable = false
	case e == syscall.ENOMEM: // not a byte has moved: it goes with a copy for a while
		h.flow.NoPipe()
		l.restPipe(h)
		return 0, 0
	case isOurs(e): // not a byte has moved: this socket cannot be spliced (EINVAL), and of anything else a copy tells more
		h.flow.Refused()
		l.restPipe(h)
		return 0, 0
	case e == 0 && n == 0: // the end, or an urgent mark before it: a read knows
		return l.readCopy(c, h, src, dst)
	case e == 0 && n < budget: // what the budget cut short says nothing of the size of what comes
		h.flow.Spliced(n)
	}
	return n, e
}

func (l *Loop) readCopy(c *conn, h *half, src, dst *end) (n int, e syscall.Errno) {
	p, e := l.receive(c, h, src)
	n = len(p)
	if n == 0 || h.broken {
		return n, e
	}
	h.flow.Copied(n, copyBuffer)
	if l.access != nil && h == &c.up {
		l.access.Line(l.now(), c.peer.Addr(), c.chosen.Host, p)
	}
	if h == &c.up && c.filter != nil {
		if p = l.filter(c, p); len(p) == 0 {
			return n, 0
		}
	}
	l.send(c, h, dst, p)
	return n, 0
}

// receive reads into the loop's buffer, where the bytes stay until the next read. None and no error: the source has ended. It may also have ended with the bytes.
func (l *Loop) receive(c *conn, h *half, src *end) ([]byte, syscall.Errno) {
	buf := l.room()
	n, e := sys.Recv(int(src.fd), buf)
	switch {
	case e == syscall.EAGAIN:
		src.readable = false
		return nil, e
	case e != 0:
		return nil, e
	case n == 0:
		return nil, l.sourceEnded(c, h, src)
	case n == len(buf):
	case l.cfg.Shortcuts && src.exhausted() && c.filter == nil:
		l.sourceEnded(c, h, src)
	case !src.thorough:
		src.readable = false
	}
	if l.tap != nil {
		l.tap.Show(int(c.number), h == &c.up, buf[:n])
	}
	return buf[:n], 0
}

// exhausted tells an end whose short read was its last: everything had come before the read began, and nothing else ends a read short.
func (e *end) exhausted() bool { return e.finned && !e.urgent && !e.reset && !e.failed }

// filter rewrites what was read. Nothing comes of it when all is held back, or when the connection had to be closed.
func (l *Loop) filter(c *conn, p []byte) []byte {
	l.filtered = c.filter.Append(l.filtered[:0], p)
	switch {
	case c.filter.Bad():
		l.close(c, account.BadRequest)
		return nil
	case c.filter.Passing():
		c.filter = nil
		if l.access == nil && l.tap == nil {
			c.up.flow.Start(l.cfg.Splice)
		}
	}
	return l.filtered
}

// sourceEnded notes an end of file. After an error that has already been told, to a write or to an earlier read, the kernel calls it an end of file too: that error then.
func (l *Loop) sourceEnded(c *conn, h *half, src *end) syscall.Errno {
	src.readable = false
	if told := syscall.Errno(src.errno); src.reset && told != 0 && told != syscall.EPIPE {
		return told
	} else if src.reset {
		return syscall.ECONNRESET
	}
	h.eof = true
	if h == &c.up && c.filter != nil {
		if c.filter.End(); c.filter.Bad() {
			l.close(c, account.BadRequest)
			return 0
		}
	}
	if !c.up.eof || !c.down.eof { // the first of the two names the cause
		c.cause = account.ClientFin
		if src == &c.server {
			c.cause = account.ServerFin
		}
	}
	return 0
}

// send writes what was just read, and keeps what the destination does not take. The last bytes wait in the kernel for the FIN that follows at once (finish, close), to make one packet with it.
func (l *Loop) send(c *conn, h *half, dst *end, p []byte) {
	n := 0
	if dst.writable {
		if h == &c.up && (h.bytes > 0 || len(p) > untunedBytes) {
			l.tune(c)
		}
		if !h.eof && l.batch(h, dst, p) {
			return
		}
		var e syscall.Errno
		if n, e = sys.SendMore(int(dst.fd), p, h.eof); e != 0 && e != syscall.EAGAIN {
			l.giveUp(c, h, dst, e)
			return
		}
		l.sent(h, n)
	}
	if n < len(p) {
		dst.writable = false
		h.tail = l.getTail(p[n:])
	}
}

func (l *Loop) sent(h *half, n int) {
	h.bytes += uint64(n)
	l.ledger.Add(account.BytesCopied, uint64(n))
}

// flush writes what is in hand: the tail, or the pipe.
func (l *Loop) flush(c *conn, h *half, dst *end) {
	var n int
	var e syscall.Errno
	if h.batch == refused {
		h.batch = away
		l.giveUp(c, h, dst, syscall.Errno(dst.errno))
		return
	}
	if h == &c.up {
		l.tune(c)
	}
	if h.tail != nil {
		n, e = sys.Send(int(dst.fd), h.tail.buf[h.tail.sent:])
		if h.tail.sent += n; h.tail.sent == len(h.tail.buf) {
			l.putTail(h)
		}
		l.ledger.Add(account.BytesCopied, uint64(n))
	} else {
		for e == 0 && h.pipe.Data > 0 { // a short pump alone does not mean that the socket is full, and if it is not there will be no event
			var pumped int
			pumped, e = h.pipe.Pump(int(dst.fd))
			n += pumped
		}
		l.ledger.Add(account.BytesSpliced, uint64(n))
	}
	h.bytes += uint64(n)
	if e != 0 && e != syscall.EAGAIN {
		l.giveUp(c, h, dst, e)
		return
	}
	dst.writable = !h.pending()
}

// giveUp ends a direction whose destination takes no more. What it held is lost, and what still comes is read and dropped, so that the source is not left blocked.
// The destination is read to its end all the same: a server that answers and closes without reading its client to the end has still answered.
func (l *Loop) giveUp(c *conn, h *half, dst *end, e syscall.Errno) {
	dst.errno = uint8(e)
	if isOurs(e) { // the destination is well and waits for the rest
		l.abort(c, dst)
		return
	}
	h.broken = true
	l.empty(h)
	if !c.up.eof && !c.down.eof { // no FIN yet; one that is still to be read names the cause after all
		c.cause = c.resetBy(dst)
	}
	dst.reset = dst.reset || e != syscall.EPIPE // EPIPE: its stream has ended orderly before
	dst.readable = true
	l.halve(c)
	l.later(c)
}

// finish hands an end of file on once the direction's bytes are out. If that ends the connection the close that follows says it, and the shutdown is saved.
func (l *Loop) finish(c *conn, h *half, dst *end) {
	l.restPipe(h)
	if h.over() {
		return
	}
	h.shut = true
	if fast := l.balancer.Plan().FastClose; fast&balance.FastUp != 0 && h == &c.down || fast&balance.FastDown != 0 && h == &c.up {
		l.close(c, c.cause)
		return
	}
	if other := c.other(h); !other.shut {
		if e := sys.ShutWrite(int(dst.fd)); e != 0 && e != syscall.ENOTCONN { // that one is gone: an event tells how
			dst.errno = uint8(e)
			l.abort(c, dst)
			return
		}
		c.parted = c.parted || dst == &c.server
	}
	l.halve(c)
}

// settle ends a connection both of whose directions are over. A side that is still sending into a broken direction is lingered with: closing a socket with unread bytes would send RST, and that would
// destroy what the peer has not yet taken. A server still sending to a client that is gone has nothing of its own to lose: the client has ended, and the server has been told.
func (l *Loop) settle(c *conn) {
	switch {
	case c.up.broken && !c.up.eof && !c.down.broken:
		l.startLinger(c, &c.server, byFin)
	case c.down.broken && !c.down.eof && !c.up.broken:
		l.abort(c, &c.client)
	default:
		l.close(c, c.cause)
	}
}

// restPipe gives back the pipe of a direction that has nothing to move just now.
func (l *Loop) restPipe(h *half) {
	if h.pipe != nil {
		l.pipes.Put(h.pipe)
		h.pipe = nil
	}
}

// empty drops what a direction holds.
func (l *Loop) empty(h *half) {
	l.restPipe(h)
	l.putTail(h)
}

// untold is how many bytes have not been reported.
func (h *half) untold() uint64 { return uint64(uint32(h.bytes) - h.told) }

// tell reports a connection's bytes since the last time.
func (l *Loop) tell(c *conn) {
	if up, down := l.report(c); up+down > 0 {
		l.balancer.Moved(c.balanceClient(), c.stay, c.chosen, up, down)
	}
}

// leave reports the last of a connection's bytes, and that its client has left.
func (l *Loop) leave(c *conn) {
	up, down := l.report(c)
	l.balancer.Left(c.balanceClient(), c.stay, c.chosen, up, down)
}

// report counts the bytes that were not reported yet, and returns them.
func (l *Loop) report(c *conn) (up, down uint64) {
	if c.chosen == nil {
		return 0, 0
	}
	up, down = c.up.untold(), c.down.untold()
	c.up.told, c.down.told = uint32(c.up.bytes), uint32(c.down.bytes)
	l.ledger.Add(account.BytesUp, up)
	l.ledger.Add(account.BytesDown, down)
	return up, down
}

// maxTails bounds the loop's stock of tail buffers; more than that are left to the garbage collector.
const maxTails = 64

// getTail takes a buffer with a copy of p.
func (l *Loop) getTail(p []byte) *tail {
	var t *tail
	if last := len(l.tails) - 1; last >= 0 {
		t = l.tails[last]
		l.tails = l.tails[:last]
	} else {
		t = &tail{buf: make([]byte, 0, copyBuffer)}
	}
	t.buf, t.sent = append(t.buf[:0], p...), 0
	return t
}

func (l *Loop) putTail(h *half) {
	if h.tail != nil && len(l.tails) < maxTails {
		l.tails = append(l.tails, h.tail)
	}
	h.tail = nil
}
