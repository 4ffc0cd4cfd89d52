package loop

import (
	"math"
	"sync/atomic"
	"syscall"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

// A client that finds every server that would do at its limit waits in its loop's queue until one has room, its time is up, or it is gone. The plan says how many may, over all loops, and for how long.
//
// The order. In a loop they stand as they were accepted. Of the loops the one whose first has waited longest looks first; if it leaves room that nobody of its own can use, the one with the next
// longest wait does, and so on: one place that becomes free wakes one loop as a rule. A client that has just been accepted stands behind them while a loop is on its way to look.
//
// Within a loop a client that still gets none keeps its place, and the next is asked all the same as long as some server has room: what is closed to the one (its home is full and it is stubborn,
// a list of the server, a limit that is higher for clients at home) may be open to the other. Where every server is full to everybody, as is usual, that ends at the first without asking the table.
//
// Whoever gives a server's place back says so (freed), and so does a new plan (Refresh). What nobody tells, that a server is well again or that a connect has failed, the tick finds out, which runs anyway
// while somebody waits. That a failed connect tells nobody is on purpose: whoever waits would fail in the same way at once, and in doing so tell the next.

// lookBudget is how many who wait are asked for one free place, so that a place that none of them may have costs some microseconds. The tick has a larger budget.
const lookBudget = 64

// nobody is the time of arrival of the first in a queue that is empty.
const nobody = math.MaxInt64

// queue is a loop's clients that wait for a server, in the order in which they were accepted, linked through their searches. Owned by the loop.
type queue struct {
	first, last *conn
}

// queuing is a client's place in the queue.
type queuing struct {
	before, behind *conn
	until          uint32 // tick at which it has waited long enough; 0: it has not waited yet
}

// asked is what other loops may know of a loop's queue and tell it.
type asked struct {
	eldest atomic.Int64 // when the first in it was accepted, unix ns, or nobody; written by the loop
	look   atomic.Bool  // a server may have room: set by whoever says so, cleared by the loop
}

// line is all loops' queues together. Safe for concurrent use.
type line struct {
	// constant once the loops run
	balancer *balance.Balancer
	loops    []*Loop

	// atomic: any loop
	looking atomic.Int32 // loops asked to look that have not come to it
}

// freed says that a server may have room.
func (n *line) freed() {
	if n.balancer.Waiting() > 0 {
		n.ask(math.MinInt64)
	}
}

// ask wakes the loop whose first has waited longest, of those whose first was accepted after a moment, unix ns. Those before it have looked.
func (n *line) ask(after int64) {
	var next *Loop
	first := int64(nobody)
	for _, l := range n.loops {
		if at := l.asked.eldest.Load(); at > after && at < first {
			next, first = l, at
		}
	}
	if next != nil && next.asked.look.CompareAndSwap(false, true) {
		n.looking.Add(1)
		next.poll.wake()
	}
}

// lookIfAsked looks for room if the loop was told that there is some, and hands on what it cannot use.
func (l *Loop) lookIfAsked() {
	if !l.asked.look.Load() {
		return
	}
	l.asked.look.Store(false) // before the look: what is told during it is not forgotten
	first := l.asked.eldest.Load()
	if first == nobody { // they have gone since
		first = math.MinInt64
	}
	l.look(lookBudget)
	if l.balancer.Waiting() > 0 && l.balancer.Room(l.now()) {
		l.line.ask(first)
	}
	l.line.looking.Add(-1)
}

// look gives those who wait a server each, from the first, while one has room; so many are asked at most.
func (l *Loop) look(most int) {
	for c := l.queue.first; c != nil && most > 0 && l.balancer.Room(l.now()); most-- {
		behind := c.search.behind
		c.search.Again()
		l.connect(c, l.now())
		c = behind
	}
}

// yields reports whether a new client has to stand behind those who wait: a place has just become free, and a loop is on its way to give it to one of them.
func (l *Loop) yields() bool { return l.balancer.Waiting() > 0 && l.line.looking.Load() > 0 }

// wait puts a connection into the queue, or leaves it where it is. It reports false if the queue is full.
func (l *Loop) wait(c *conn) bool {
	if c.state == queued {
		return true
	}
	if !l.balancer.Enqueue() {
		return false
	}
	l.ledger.Wait()
	l.enterState(c, queued)
	l.insert(c)
	if q := &l.searchOf(c).queuing; q.until == 0 {
		l.setTimer(c, l.balancer.Plan().QueueTimeout)
		q.until = c.due
	} else { // back from a server that did not take it: the time runs on
		l.wheel.set(c, max(q.until, l.clock+1))
	}
	if l.watch(&c.client, false) != 0 {
		l.turnAway(c, account.Local)
		return true
	}
	if l.balancer.Room(l.now()) { // made before anybody could know of us
		l.line.freed()
	}
	return true
}

// insert puts a connection in its place, which is the end but for one that comes back from a server.
func (l *Loop) insert(c *conn) {
	q, s := &l.queue, l.searchOf(c)
	s.before, s.behind = q.last, nil
	for s.before != nil && s.before.began > c.began {
		s.before, s.behind = s.before.search.before, s.before
	}
	if s.before != nil {
		s.before.search.behind = c
	} else {
		q.first = c
		l.asked.eldest.Store(c.began)
	}
	if s.behind != nil {
		s.behind.search.before = c
	} else {
		q.last = c
	}
}

// dequeue takes a connection out of the queue.
func (l *Loop) dequeue(c *conn) {
	q, s := &l.queue, c.search
	if s.before != nil {
		s.before.search.behind = s.behind
	} else {
		q.first = s.behind
		eldest := int64(nobody)
		if q.first != nil {
			eldest = q.first.began
		}
		l.asked.eldest.Store(eldest)
	}
	if s.behind != nil {
		s.behind.search.before = s.before
	} else {
		q.last = s.before
	}
	s.before, s.behind = nil, nil
	l.cancelTimer(c)
	l.balancer.Dequeue()
	l.ledger.Waited()
}

// heard is told that a client that waits has stirred. It is not read: what it says, and that it will say no more, is for the server. Whether it is gone altogether a write of nothing tells.
func (l *Loop) heard(c *conn) {
	if _, e := sys.Send(int(c.client.fd), nil); e != 0 && e != syscall.EAGAIN {
		c.client.errno = uint8(e)
		l.close(c, c.resetBy(&c.client))
	}
}
