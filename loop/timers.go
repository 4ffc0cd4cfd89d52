package loop

import (
	"time"

	"pen/internal/account"
	"pen/internal/sys"
)

const (
	tick         = 100 * time.Millisecond // the resolution of every timeout
	wheelSlots   = 1024                   // 102 seconds a turn of the wheel; a later deadline stays in its slot for another turn
	expiryBudget = 1024                   // connections looked at per tick; the rest has its turn at the next
	calmTicks    = 10                     // ticks with nothing to wait for before the timerfd is disarmed: arming costs two calls, so not at each lull
)

// ticks rounds a duration up to whole ticks.
func ticks(d time.Duration) uint32 { return uint32((d + tick - 1) / tick) }

// timer is a connection's place in its slot of the wheel.
type timer struct {
	prev, next *conn
}

// wheel is a hashed timer wheel (Varghese and Lauck 1987, scheme 6): setting and cancelling are O(1), a tick looks at one slot. The zero value is ready. Owned by the loop.
type wheel struct {
	slots [wheelSlots]*conn // heads of lists
	now   uint32            // ticks since the epoch, as far as the wheel has turned
	count int
}

func (w *wheel) set(c *conn, at uint32) {
	w.cancel(c)
	head := &w.slots[at%wheelSlots]
	c.timer = timer{next: *head}
	c.due, c.timed = at, true
	if *head != nil {
		(*head).timer.prev = c
	}
	*head = c
	w.count++
}

func (w *wheel) cancel(c *conn) {
	t := &c.timer
	if !c.timed {
		return
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		w.slots[c.due%wheelSlots] = t.next
	}
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	*t = timer{}
	c.timed = false
	w.count--
}

// advance turns the wheel to a tick and calls expire for what is due, budget at most; then it stops short, to go on at the next call.
// expire may set the timer of the connection it is given again, and no other.
func (w *wheel) advance(to uint32, budget int, expire func(*conn)) {
	for w.now != to {
		w.now++
		for c := w.slots[w.now%wheelSlots]; c != nil; {
			next := c.timer.next
			if int32(w.now-c.due) >= 0 {
				if budget == 0 {
					w.now-- // the slot is not done with
					return
				}
				budget--
				w.cancel(c)
				expire(c)
			}
			c = next
		}
	}
}

// setTimer has expire called for a connection in d, rounded up, never early; 0 means never.
func (l *Loop) setTimer(c *conn, d time.Duration) {
	if d <= 0 {
		l.cancelTimer(c)
		return
	}
	l.startTicking()
	l.wheel.set(c, l.clock+ticks(d)+1) // the tick under way may be almost over
}

func (l *Loop) cancelTimer(c *conn) { l.wheel.cancel(c) }

// enterState changes a connection's state and notes when.
func (l *Loop) enterState(c *conn, s state) {
	l.startTicking()
	c.state = s
	c.active = l.clock
}

// startTicking has the clock running, and sets a wheel that stood still to the present.
func (l *Loop) startTicking() {
	l.calm = 0
	if l.period == tick {
		return
	}
	l.clock = l.present()
	if l.wheel.count == 0 {
		l.wheel.now = l.clock
	}
	l.beat(tick)
}

// beat has the timerfd fire every so often; 0 never.
func (l *Loop) beat(period time.Duration) {
	if l.period == period {
		return
	}
	if e := sys.SetTimer(l.timerfd.Int(), period); e != 0 { // the next to need the clock tries again
		if l.complaints.allow(l.now()) {
			l.log.Error("set the clock", "error", e)
		}
		return
	}
	l.period = period
}

// keepTime beats as fast as something needs: every tick for timers and idlers, once a rest for a listener that has nothing but its rest to wait for, and not at all after a while of nothing.
func (l *Loop) keepTime() {
	switch {
	case l.wheel.count > 0 || l.wantedIdlers() > 0:
		l.startTicking()
	case l.listener.paused:
		l.beat(l.listener.rested)
	case l.listener.paced:
		l.beat(time.Duration(l.listener.next-l.clock) * tick)
	default:
		if l.calm++; l.calm > calmTicks {
			l.beat(0)
		}
	}
}

// present is the time in ticks.
func (l *Loop) present() uint32 { return uint32(time.Since(l.cfg.epoch) / tick) }

// tick is told that the timerfd fired.
func (l *Loop) tick() {
	if sys.ClearCounter(l.timerfd.Int()) != 0 { // it would stand still
		period := l.period
		l.period = -1
		l.beat(period)
	}
	l.submit() // or what has just been said would not count against a silence
	l.clock = l.present()
	l.wheel.advance(l.clock, expiryBudget, l.expire)
	if int32(l.clock-l.listener.until) >= 0 {
		l.unpause()
	}
	l.unpace()
	l.prune()
	l.keepIdlers()
	l.look(expiryBudget) // for what nobody tells: a server is well again, a connect has failed
	l.keepTime()
}

// expire is told that a connection's time is up.
func (l *Loop) expire(c *conn) {
	switch c.state {
	case connecting, answering, forwarding:
		l.judge(c)
	case queued:
		l.turnAway(c, account.QueueTimedOut)
	case lingering:
		l.linger(c)
	case tarpitted:
		l.close(c, c.cause)
	}
}
