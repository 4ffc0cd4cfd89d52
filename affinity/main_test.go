package affinity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// start is the now most tests begin with: unix nanoseconds, at half a second so that cutting to seconds shows.
const start = int64(1_700_000_000_500_000_000)

const second = int64(time.Second)

// client numbers clients; each number is one IPv4 address.
func client(n int) Key {
	k := Key{10: 0xff, 11: 0xff}
	binary.BigEndian.PutUint32(k[12:], uint32(n))
	return k
}

// mappedTable returns a table as New makes it, closed at the end of the test.
func mappedTable(t testing.TB, slots int, ttl time.Duration) *Table {
	t.Helper()
	table, err := New(slots, ttl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func heapBank(slots int, l layout) *bank { return newBank(slots, l, make([]byte, l.bytes())) }

// heapTable returns a table on the Go heap, which the race detector watches (it does not watch mapped memory), with the same secret in every run.
func heapTable(slots int, ttl time.Duration, l layout) *Table {
	table := newTable(heapBank(slots, l), ttl)
	copy(table.secret[:], "not secret, for one test")
	return table
}

// locate is hold without holding. No other goroutine may be growing the table.
func (t *Table) locate(k *Key) (s *stripe, tag uint32) {
	s, tag = t.hold(k)
	s.mu.Unlock()
	return s, tag
}

// verify walks the whole table, both banks if it is growing, and says which invariant of stripe does not hold. No other goroutine may be using the table.
func verify(table *Table) error {
	total := 0
	for b := table.bank.Load(); b != nil; b = b.next.Load() {
		for n := range b.stripes {
			s := &b.stripes[n]
			if err := errors.Join(verifyList(s), verifySlots(table, s)); err != nil {
				return fmt.Errorf("stripe %d of %d: %w", n, len(b.stripes), err)
			}
			total += int(s.used)
			if err := verifyLeaving(s); err != nil {
				return fmt.Errorf("stripe %d of %d: %w", n, len(b.stripes), err)
			}
		}
	}
	if table.Len() != total {
		return fmt.Errorf("Len is %d, the stripes hold %d", table.Len(), total)
	}
	if total > table.Cap() {
		return fmt.Errorf("%d clients in a table for %d", total, table.Cap())
	}
	return nil
}

// verifyLeaving checks moveSome's invariant.
func verifyLeaving(s *stripe) error {
	if !s.leaving || s.used == 0 {
		return nil
	}
	to := s.bank.next.Load()
	ratio := len(to.stripes) / len(s.bank.stripes)
	for i := range to.stripes {
		if n := &to.stripes[i]; &s.bank.stripes[i/ratio] == s && n.tail.Load() <= s.slots[s.newest].stamp() {
			return fmt.Errorf("its newest stamp is %d, that of a client who has moved %d", s.slots[s.newest].stamp(), n.tail.Load())
		}
	}
	return nil
}

func verifyList(s *stripe) error {
	if s.used == 0 {
		if s.newest != nowhere || s.oldest != nowhere || s.tail.Load() != noTail {
			return fmt.Errorf("empty, but list %d…%d and tail %d", s.newest, s.oldest, s.tail.Load())
		}
		return nil
	}
	owed, stamp, err := verifyOwed(s)
	if err != nil {
		return err
	}
	before, length := uint32(nowhere), uint32(0)
	for i := s.newest; i != nowhere; before, i = i, s.slots[i].next {
		if length++; length > s.used {
			return fmt.Errorf("list longer than the %d entries", s.used)
		}
		e := &s.slots[i]
		if e.tag == 0 || e.prev != before || !owed[i] && e.stamp() >= stamp {
			return fmt.Errorf("list at slot %d: tag %#x, prev %d after %d, stamp %d after %d", i, e.tag, e.prev, before, e.stamp(), stamp)
		}
		if !owed[i] {
			stamp = e.stamp()
		}
	}
	if length != s.used || before != s.oldest || s.tail.Load() != stamp {
		return fmt.Errorf("list of %d ends at %d with %d; want %d, %d, %d", length, before, stamp, s.used, s.oldest, s.tail.Load())
	}
	return nil
}

// verifyOwed returns the places that are owed, and the least of their stamps.
func verifyOwed(s *stripe) (owed map[uint32]bool, least uint64, err error) {
	owed, least = map[uint32]bool{}, noTail
	for n := int(s.owing) - 1; n >= 0; n-- {
		i := s.owed[n]
		if owed[i] {
			continue // visited again later
		}
		if owed[i] = true; i == s.oldest || s.slots[i].tag == 0 || s.slots[i].stamp() >= least {
			return nil, 0, fmt.Errorf("owed %v, of which slot %d has tag %#x, stamp %d before %d; the oldest is %d", s.owed[:s.owing], i, s.slots[i].tag, s.slots[i].stamp(), least, s.oldest)
		}
		least = s.slots[i].stamp()
	}
	return owed, least, nil
}

func verifySlots(table *Table, s *stripe) error {
	used := uint32(0)
	for i := range s.slots {
		e := &s.slots[i]
		if e.tag == 0 {
			if *e != (slot{}) {
				return fmt.Errorf("free slot %d is not zero: %+v", i, *e)
			}
			continue
		}
		used++
		home, tag := table.locate(&e.key)
		if home != s || tag != e.tag {
			return fmt.Errorf("slot %d does not belong here, or its tag %#x is not %#x", i, e.tag, tag)
		}
		if at, found := s.find(&e.key, tag); !found || int(at) != i {
			return fmt.Errorf("slot %d: find says %d, %t", i, at, found)
		}
	}
	if used != s.used || len(s.slots) > 0 && int(used) >= len(s.slots) {
		return fmt.Errorf("%d slots in use of %d, count says %d", used, len(s.slots), s.used)
	}
	return nil
}

func TestVerifySeesDamage(t *testing.T) {
	damage := map[string]func(*Table, *stripe){
		"link":    func(_ *Table, s *stripe) { s.slots[s.newest].next = s.newest },
		"tag":     func(_ *Table, s *stripe) { s.slots[s.newest].tag ^= 2 },
		"count":   func(_ *Table, s *stripe) { s.used++ },
		"tail":    func(_ *Table, s *stripe) { s.tail.Add(1) },
		"len":     func(table *Table, _ *stripe) { table.used.Add(-1) },
		"owed":    func(_ *Table, s *stripe) { s.owed[0], s.owing = s.oldest, 1 },
		"order":   func(_ *Table, s *stripe) { s.owed[0], s.owed[1], s.owing = s.newest, s.slots[s.newest].next, 2 },
		"residue": func(_ *Table, s *stripe) { s.slots[emptySlot(s)].up = 1 },
	}
	for name, harm := range damage {
		table := heapTable(40, 0, layoutFor(40))
		for n := range 40 {
			table.Visit(client(n), start)
		}
		if err := verify(table); err != nil {
			t.Fatal(err)
		}
		if harm(table, &table.bank.Load().stripes[0]); verify(table) == nil {
			t.Errorf("%s: damage not seen", name)
		}
	}
}

func emptySlot(s *stripe) int {
	for i := range s.slots {
		if s.slots[i].tag == 0 {
			return i
		}
	}
	panic("no slot is free")
}
