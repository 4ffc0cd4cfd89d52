package loop

import (
	"syscall"

	"pen/internal/sys"
)

// What a turn has to say is sent at its end, all in one call, and so are the connects of those who came in it (measured, docs/performance.md): whom the first of them wakes does not run in this loop's place before
// the last is made, and then finds several.
const (
	outboxMessages = eventBatch     // at most, with the connects
	outboxBytes    = 8 * copyBuffer // all together, with the room that a read needs

	// sentAtOnce is what a bulk transfer's messages are larger than, bytes: one of those is worth a call of its own, and would take the room of many.
	sentAtOnce = 8 << 10
)

// outbox is the messages and connects that wait for the end of the turn. With no batch there are none, and everything is done at once.
//
// Invariant: a direction with a message here has no tail and nothing in a pipe, and neither is more read for it nor its end passed on before the outbox is submitted. What its destination does not take becomes
// its tail.
type outbox struct {
	batch   *sys.Batch
	to      [outboxMessages]*end // whom each is for
	dialled []*conn              // whose connects have been made, and that have to go on
}

// room is where to read to, copyBuffer bytes. They are left alone until the next call.
func (l *Loop) room() []byte {
	b := l.outbox.batch
	if b == nil {
		return l.buf
	}
	if b.Len() == outboxMessages || len(b.Room()) < copyBuffer {
		l.submit()
	}
	return b.Room()[:copyBuffer]
}

// batch leaves what was read to room, or made of it, in the outbox, and reports whether it may wait there.
func (l *Loop) batch(h *half, dst *end, p []byte) bool {
	o := &l.outbox
	if o.batch == nil || len(p) > sentAtOnce {
		return false
	}
	if room := o.batch.Room(); &p[0] != &room[0] {
		copy(room, p)
	}
	o.to[o.batch.Len()] = dst
	o.batch.Add(int(dst.fd), len(p))
	h.batch = inside
	return true
}

// dialLater leaves the connect of a server's socket in the outbox, with what the client has said already, and reports whether it may wait there. The loop goes on with it after the turn (dialled).
// Whoever was refused once, and may have a tail, does not wait again.
func (l *Loop) dialLater(c *conn) bool {
	o := &l.outbox
	if o.batch == nil || c.chosen.Addr.Path != "" || c.search.last != nil {
		return false
	}
	if o.batch.Len() > outboxMessages-2 || len(o.batch.Room()) < sys.AddressRoom+copyBuffer {
		l.submit()
	}
	c.dialling = true
	o.to[o.batch.Len()] = &c.server
	o.batch.AddConnect(int(c.server.fd), c.chosen.Addr.IP)
	if !l.cfg.Shortcuts {
		return true
	}
	if p := l.greeting(c); len(p) > 0 {
		o.to[o.batch.Len()] = &c.server
		o.batch.Add(int(c.server.fd), len(p))
		c.up.batch = inside
	}
	return true
}

// say sends what is in the outbox, and goes on with those whose connects were in it, until nothing is left.
func (l *Loop) say() {
	for l.submit(); len(l.outbox.dialled) > 0; l.submit() {
		l.goOn()
	}
}

// submit sends what is in the outbox. What becomes of it is noted, and acted upon in the next turn, or by say: this may be called with any connection in hand.
func (l *Loop) submit() {
	o := &l.outbox
	if o.batch == nil || o.batch.Len() == 0 {
		return
	}
	for i, s := range o.batch.Submit() {
		dst := o.to[i]
		o.to[i] = nil
		c := dst.conn
		if c.state == connecting {
			l.noteDial(c, s)
			continue
		}
		h := c.toward(dst)
		h.batch = away
		if s.N > 0 {
			l.sent(h, s.N)
			c.active = l.clock
			l.noteFirst(c)
		}
		if s.N == len(s.Message) {
			continue
		}
		h.tail = l.getTail(s.Message[s.N:])
		dst.writable = false
		if s.Errno != 0 && s.Errno != syscall.EAGAIN {
			h.batch, dst.errno, dst.writable = refused, uint8(s.Errno), true
		}
		l.later(c)
	}
}

// noteDial notes what became of a connect, or of the greeting that followed it and knows more: in connect's words, 0 if the server has taken some of it.
func (l *Loop) noteDial(c *conn, s sys.Sent) {
	o, e := &l.outbox, &c.server.errno
	if s.Message == nil {
		if *e = uint8(s.Errno); s.Errno == syscall.EINPROGRESS {
			l.distant.note(uint32(c.chosen.ID))
		}
		o.dialled = append(o.dialled, c)
		return
	}
	h := &c.up
	h.batch = away
	h.moved = l.clock
	l.sent(h, s.N)
	if s.N < len(s.Message) {
		h.tail = l.getTail(s.Message[s.N:])
	}
	if s.Errno != syscall.EAGAIN && (*e == 0 || *e == uint8(syscall.EINPROGRESS)) {
		*e = uint8(s.Errno)
	}
}

// goOn has those go on whose connects have been made.
func (l *Loop) goOn() {
	o := &l.outbox
	for i := 0; i < len(o.dialled); i++ { // there may be more of them meanwhile
		c := o.dialled[i]
		o.dialled[i] = nil
		c.dialling = false
		if c.state == dead {
			l.recycle(c)
			continue
		}
		e := syscall.Errno(c.server.errno)
		c.server.errno = 0
		if !l.dialled(c, e) {
			l.connect(c, l.now())
		}
	}
	o.dialled = o.dialled[:0]
}

// submitFor is for before anything is done to a connection's ends that its messages must not come after.
func (l *Loop) submitFor(c *conn) {
	if c.dialling || c.up.batch == inside || c.down.batch == inside {
		l.submit()
	}
}
