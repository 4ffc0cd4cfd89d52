package affinity

import (
	"fmt"
	"syscall"
)

// Grow makes room for so many clients, up to MaxSlots; Cap says so once it returns. Fewer than Cap is no error and changes nothing: a table never shrinks.
// Nothing is forgotten, and the order of the least recently used stays exact: until the last client has moved the old capacity is in force.
//
// Other methods may be called meanwhile. One stripe at a time is held while its clients are copied; calls for those clients wait, and so does an insertion
// or an Expire whose turn to remove falls on that stripe. PAUSE
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
	if err := syscall.Munmap(old.arena); err != nil {
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
		t.moveStripe(&from.stripes[i], to)
	}
	t.bank.Store(to)
	to.preferHuge(t.used.Load()) // those who came while from counted them against its own figure
}

// moveStripe copies oldest first, so that each copy is the newest where it goes. At every moment a client's stamp is reached by a published tail: that of
// the old stripe until all are copied. A stripe of the new bank that chance fills gives up its tail as for any newcomer; it counts as evicted, expired or not.
func (t *Table) moveStripe(s *stripe, to *bank) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.oldest; i != nowhere; i = s.slots[i].prev {
		e := &s.slots[i]
		n := to.stripe(t.hash(&e.key))
		n.mu.Lock()
		if n.full() {
			t.used.Add(-1)
			t.evict(n, 0)
		}
		n.receive(e)
		n.mu.Unlock()
	}
	s.moved = true
	s.close()
}
