package loop

import (
	"syscall"

	"pen/internal/sys"
)

// distantConnects is for how many connects a server counts as distant once its answer was not there when connect returned.
const distantConnects = 63

// distant knows the servers whose answer to connect takes its time. On this machine it is there when connect returns, and the client's first bytes can go out at once; from anywhere else it is not, and they would be
// read only to lie in a buffer of ours. The zero value is ready, and takes a byte for each server. Owned by the loop.
type distant struct {
	left []uint8 // by server id: connects for which it still counts as distant
}

// note is told of a server that let a connect wait.
func (d *distant) note(server uint32) {
	for int(server) >= len(d.left) {
		d.left = append(d.left, 0)
	}
	d.left[server] = distantConnects
}

// is reports whether a server counts as distant, for this connect.
func (d *distant) is(server uint32) bool {
	if int(server) >= len(d.left) || d.left[server] == 0 {
		return false
	}
	d.left[server]--
	return true
}

// greetAtOnce greets a server whose answer is likely to be there.
func (l *Loop) greetAtOnce(c *conn) syscall.Errno {
	e := l.greet(c)
	if e == syscall.EINPROGRESS && c.up.tail != nil {
		l.distant.note(uint32(c.chosen.ID))
	}
	return e
}

// greet sends a server whose answer to connect is still out what the client has said already. Where the answer has come that finds it out for free: the send tells it.
// EINPROGRESS: the answer has not come, or the client is silent, which says nothing about the server.
func (l *Loop) greet(c *conn) syscall.Errno {
	p := l.greeting(c)
	if len(p) == 0 {
		return syscall.EINPROGRESS
	}
	h := &c.up
	n, e := sys.SendMore(int(c.server.fd), p, h.eof)
	switch {
	case h.tail == nil && n < len(p):
		h.tail = l.getTail(p[n:])
	case h.tail != nil && n == len(p):
		l.putTail(h)
	case h.tail != nil:
		h.tail.sent = n
	}
	h.moved = l.clock
	if e == syscall.EAGAIN {
		return syscall.EINPROGRESS
	}
	l.sent(h, n)
	return e
}

// greeting is what the client has said already, for a server whose answer is out; where it was read it is in the outbox's room.
func (l *Loop) greeting(c *conn) (p []byte) {
	if l.access != nil || l.balancer.Plan().Forwarded {
		return nil // what the client says has to be looked at first, by those who want to know the server
	}
	h := &c.up
	switch {
	case h.tail != nil: // said to a server that failed
		p = h.tail.buf
	case !h.eof && c.client.readable:
		var e syscall.Errno
		if p, e = l.receive(c, h, &c.client); e != 0 && e != syscall.EAGAIN && !isOurs(e) {
			c.client.reset, c.client.errno = true, uint8(e) // the kernel tells it once, and the connection's end is forward's to decide
		}
	}
	if len(p) > untunedBytes {
		l.tune(c)
	}
	return p
}
