package affinity

import (
	"fmt"
	"runtime"
)

// moveBatch is how many clients move while a stripe is held. Measured on a busy machine of two CPUs, a client takes 0.1 µs in the median at 100,000 clients and
// 0.25 µs at 10 million: 13 to 30 µs a batch. One batch in ten takes 0.1 ms, one in a hundred 0.2 to 1.3 ms, page faults and preemption included.
const moveBatch = 128

// Grow makes room for so many clients, up to MaxSlots; Cap says so once it returns. Fewer than Cap is no error and changes nothing: a table never shrinks.
// Nothing is forgotten, and the order of the least recently used stays exact: until the last client has moved the old capacity is in force.
//
// Other methods may be called meanwhile. One stripe at a time is held while moveBatch of its clients are moved, then those who wait for it come
// first. An Each that meets a stripe on the move moves the rest of it.
//
// Both arenas are resident until the last stripe has moved; then the old one is unmapped. An error leaves the table as it was, unless it is the unmapping's:
// then Cap is the new one. Of several callers one grows at a time. A closed table does not grow.
func (t *Table) Grow(slots int) error {
	if slots > MaxSlots {
		return fmt.Errorf("grow the client table to %d clients: want at most %d", slots, MaxSlots)
	}
	t.resize.Lock()
	defer t.resize.Unlock()
	if slots <= t.Cap() {
		return nil
	}
	if t.closed {
		return fmt.Errorf("grow the client table to %d clients: it is closed", slots)
	}
	l := layoutFor(slots)
	arena, err := mapArena(l.bytes())
	if err != nil {
		return fmt.Errorf("grow the client table to %d clients: %w; ask for fewer", slots, err)
	}
	old := t.bank.Load()
	t.moveTo(newBank(slots, l, arena))
	if err := old.unmap(); err != nil {
		return fmt.Errorf("unmap the client table's old memory: %w", err)
	}
	return nil
}

// moveTo moves all clients to another bank, of no fewer stripes, and puts that in place of the table's own, whose arena nobody looks into afterwards.
// The caller holds resize.
func (t *Table) moveTo(to *bank) {
	from := t.bank.Load()
	to.preferHuge(t.used.Load())
	from.next.Store(to)
	for i := range from.stripes {
		t.moveAll(&from.stripes[i])
	}
	t.bank.Store(to)
	to.preferHuge(t.used.Load()) // those who came while from counted them against its own figure
}

// moveAll leaves s empty. It holds nothing when called.
func (t *Table) moveAll(s *stripe) {
	for t.moveSome(s, moveBatch) {
		runtime.Gosched() // a mutex does not see to it that those who wait get it first
	}
}

// moveSome moves at most budget clients of s to the next bank, the newest first, and says whether some are left. It holds nothing when called.
//
// Invariant: of the clients of a stripe that is leaving, those in the next bank are newer than those still here. Whoever is moved becomes the oldest there;
// who is new or visited goes there as the newest. Being published there before it is gone here, a client always has a published tail that is no newer.
func (t *Table) moveSome(s *stripe, budget int) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = true
	s.settle()
	for ; budget > 0 && s.used > 0; budget-- {
		e := &s.slots[s.newest]
		n := t.successor(s, e)
		n.mu.Lock()
		if n.full() {
			// The stripe's own oldest client is this one. Grow knows no time: it counts as evicted even if it had expired.
			t.used.Add(-1)
			t.evictions.Add(1)
		} else {
			n.receive(e)
		}
		n.mu.Unlock()
		s.remove(s.newest)
	}
	if s.used > 0 {
		return true
	}
	s.close()
	return false
}

// carry takes entry i of s, which is held and leaving, to the next bank as the newest there, since it is being visited. It lets go of s and returns the
// stripe that i is in now, held.
func (t *Table) carry(s *stripe, i, seen uint32) (n *stripe, at uint32) {
	e := &s.slots[i]
	n = t.successor(s, e)
	n.mu.Lock()
	if n.full() {
		t.used.Add(-1)
		t.evict(n, seen)
	}
	at, _ = n.find(&e.key, e.tag)
	n.put(at, e)
	s.remove(i)
	s.mu.Unlock()
	return n, at
}

// successor is where an entry of s goes.
func (t *Table) successor(s *stripe, e *slot) *stripe {
	return s.bank.next.Load().stripe(t.hash(&e.key))
}
