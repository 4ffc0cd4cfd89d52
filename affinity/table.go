package affinity

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
)

// MaxSlots is the largest table: 80 GiB of address space.
const MaxSlots = 1 << 30

// Table remembers clients. All methods may be called by several goroutines at once.
type Table struct {
	// constant after New
	arena    []byte
	stripes  []stripe
	tails    []atomic.Uint64 // the stamp of each stripe's oldest entry; written by the stripes
	secret   [24]byte        // keeps clients from choosing addresses that collide
	shift    int             // a hash shifted right by it is the number of a stripe
	share    int             // slots of one stripe
	capacity int64
	hugeAt   int64 // clients; 0 = never

	// atomic: SetTTL writes
	ttl atomic.Int64 // seconds; 0 = endless

	// atomic: one writer each, the first Close and the first Visit that reaches hugeAt
	closed atomic.Bool
	huge   atomic.Bool

	// atomic: every Visit writes
	_     [128]byte
	clock atomic.Uint64 // visits so far; the number of each is a stamp
	_     [128]byte

	// atomic: written by whoever inserts or removes, while holding that entry's stripe
	used      atomic.Int64
	evictions atomic.Uint64
}

// New makes a table for so many clients, 1 to MaxSlots, that forgets a client ttl after its last Visit (0 = never; rounded up to whole seconds).
// Its memory is reserved at once and touched as clients come. Close gives it back.
func New(slots int, ttl time.Duration) (*Table, error) {
	if slots < 1 || slots > MaxSlots {
		return nil, fmt.Errorf("make a table of %d clients: want 1 to %d", slots, MaxSlots)
	}
	l := layoutFor(slots)
	arena, err := mapArena(l.bytes())
	if err != nil {
		return nil, fmt.Errorf("make a table of %d clients: %w; ask for fewer", slots, err)
	}
	return newTable(slots, ttl, l, arena), nil
}

// newTable cuts arena, which must be zero and of l.bytes(), into stripes.
func newTable(slots int, ttl time.Duration, l layout, arena []byte) *Table {
	t := &Table{
		arena:    arena,
		stripes:  make([]stripe, l.stripes),
		tails:    make([]atomic.Uint64, l.stripes),
		shift:    64 - bits.TrailingZeros(uint(l.stripes)),
		share:    l.share,
		capacity: int64(slots),
		hugeAt:   hugeAfter(len(arena)),
	}
	rand.Read(t.secret[:]) // never errs since Go 1.24
	t.SetTTL(ttl)
	all := slotsOf(arena)
	for i := range t.stripes {
		t.stripes[i].open(all[i*l.share:(i+1)*l.share:(i+1)*l.share], &t.tails[i])
	}
	return t
}

// locate hashes k. The stripe is from the high bits, the tag from the low ones. The secret goes in ahead of the key and over it: xxhash is no keyed
// hash, and a secret ahead alone would leave collisions that do not depend on it.
func (t *Table) locate(k *Key) (s *stripe, tag uint32) {
	mixed := t.secret
	le := binary.LittleEndian
	le.PutUint64(mixed[8:], le.Uint64(mixed[8:])^le.Uint64(k[:]))
	le.PutUint64(mixed[16:], le.Uint64(mixed[16:])^le.Uint64(k[8:]))
	h := xxhash.Sum64(mixed[:])
	return &t.stripes[h>>t.shift], uint32(h) | inUse
}

// Visit counts a connect of k, makes k the most recently used client and returns its home: 0 if it has none, is new, or had expired and begins anew.
// A new client in a full table costs the least recently used one its place. A closed table remembers nobody.
func (t *Table) Visit(k Key, now int64) (home uint32) {
	seen := seconds(now)
	s, tag := t.locate(&k)
	s.mu.Lock()
	i, found := s.find(&k, tag)
	if found {
		home = t.meet(s, i, seen)
		s.mu.Unlock()
		return home
	}
	if s.slots == nil {
		s.mu.Unlock()
		return 0
	}
	if s.full() {
		t.used.Add(-1)
		t.evict(s, seen)
		i, _ = s.find(&k, tag)
	}
	s.insert(i, &k, tag, seen, t.clock.Add(1))
	used := t.used.Add(1)
	s.mu.Unlock()
	if used > t.capacity {
		t.makeRoom(seen)
	}
	if used == t.hugeAt && t.huge.CompareAndSwap(false, true) {
		adviseHuge(t.arena)
	}
	return 0
}

// meet is Visit for a client that has an entry. The stripe is held, so that stamps are in the order of the list.
func (t *Table) meet(s *stripe, i, seen uint32) (home uint32) {
	e := &s.slots[i]
	if expired(e.seen, seen, t.ttl.Load()) {
		e.home, e.connects, e.up, e.down = 0, 0, 0, 0
	}
	e.connected()
	e.seen = seen
	s.touch(i, t.clock.Add(1))
	return e.home
}

// Claim makes server the home of k if k has none, and returns the home in force, so that two callers that race agree. It is not a visit.
// A client forgotten or expired meanwhile is not taken in again: the answer is server, and nothing is kept.
func (t *Table) Claim(k Key, now int64, server uint32) (home uint32) {
	s, tag := t.locate(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found || expired(s.slots[i].seen, seconds(now), t.ttl.Load()) {
		return server
	}
	e := &s.slots[i]
	if e.home == 0 {
		e.home = server
	}
	return e.home
}

// Move changes the home of k from one server to another, if it still is from, and says whether it did. It is not a visit.
func (t *Table) Move(k Key, from, to uint32) bool {
	s, tag := t.locate(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found || s.slots[i].home != from {
		return false
	}
	s.slots[i].home = to
	return true
}

// Count adds bytes from (up) and to (down) the client. It is not a visit, and does nothing for a client that is forgotten.
func (t *Table) Count(k Key, up, down uint64) {
	s, tag := t.locate(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := s.find(&k, tag); found {
		s.slots[i].up += up
		s.slots[i].down += down
	}
}

// Peek returns a copy of k's entry and changes nothing. An expired entry is not found.
func (t *Table) Peek(k Key, now int64) (Entry, bool) {
	s, tag := t.locate(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found || expired(s.slots[i].seen, seconds(now), t.ttl.Load()) {
		return Entry{}, false
	}
	return s.slots[i].entry(), true
}

// Each yields a copy of every entry, in no order, until yield says no. It holds no lock during yield, which may call any method: the copies are of one
// stripe at a time, each stripe as it was at one moment. Expired entries that Expire has not come to yet are among them.
func (t *Table) Each(yield func(Entry) bool) {
	if t.Len() == 0 {
		return
	}
	held := make([]Entry, 0, t.share)
	for i := range t.stripes {
		s := &t.stripes[i]
		s.mu.Lock()
		held = s.appendTo(held[:0])
		s.mu.Unlock()
		for _, e := range held {
			if !yield(e) {
				return
			}
		}
	}
}

// Len is the number of entries, with those that have expired and are not removed yet.
func (t *Table) Len() int { return int(t.used.Load()) }

// Cap is the number of clients the table was made for.
func (t *Table) Cap() int { return int(t.capacity) }

// Bytes is the size of the arena: address space, of which the kernel makes resident what clients touch. At most 80 bytes a client from 1.1 million clients on.
func (t *Table) Bytes() int64 { return int64(len(t.arena)) }

// Evictions counts clients that were forgotten to make room for others, though they had not expired.
func (t *Table) Evictions() uint64 { return t.evictions.Load() }

// SetTTL changes the time after which clients are forgotten, for those in the table too; 0 = never. It is rounded up to whole seconds.
func (t *Table) SetTTL(ttl time.Duration) { t.ttl.Store(wholeSeconds(ttl)) }

// Close empties the table and unmaps the arena. Other methods may be called during and after it: they find nothing. A second Close does nothing.
func (t *Table) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	for i := range t.stripes {
		s := &t.stripes[i]
		s.mu.Lock()
		t.used.Add(-int64(s.used))
		s.close()
		s.mu.Unlock()
	}
	if err := syscall.Munmap(t.arena); err != nil {
		return fmt.Errorf("unmap the client table: %w", err)
	}
	return nil
}
