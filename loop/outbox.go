package loop

import (
	"syscall"

	"pen/internal/sys"
)

// What a turn has to say is sent at its end, all in one call (measured, docs/performance.md): whom the first message wakes does not run in this loop's place before the last is sent, and then finds several.
const (
	outboxMessages = eventBatch     // at most
	outboxBytes    = 8 * copyBuffer // all together, with the room that a read needs

	// sentAtOnce is what a bulk transfer's messages are larger than, bytes: one of those is worth a call of its own, and would take the room of many.
	sentAtOnce = 8 << 10
)

// outbox is the messages that wait for the end of the turn. With no batch there are none, and everything is sent at once.
//
// Invariant: a direction with a message here has no tail and nothing in a pipe, and neither is more read for it nor its end passed on before the outbox is submitted. What its destination does not take becomes
// its tail.
type outbox struct {
	batch *sys.Batch
	to    [outboxMessages]*end // whom each is for
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

// submit sends what is in the outbox. What becomes of it is noted, and acted upon in the next turn: this may be called with any connection in hand.
func (l *Loop) submit() {
	o := &l.outbox
	if o.batch == nil || o.batch.Len() == 0 {
		return
	}
	for i, s := range o.batch.Submit() {
		dst := o.to[i]
		o.to[i] = nil
		c := dst.conn
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

// submitFor is for before anything is done to a connection's ends that its messages must not come after.
func (l *Loop) submitFor(c *conn) {
	if c.up.batch == inside || c.down.batch == inside {
		l.submit()
	}
}
