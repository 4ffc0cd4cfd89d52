package affinity

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// MaxSlots is the largest table: 80 GiB of address space.
const MaxSlots = 1 << 30

// Table remembers clients. All methods may be called by several goroutines at once.
type Table struct {
	// constant after New
	secret [24]byte // keeps clients from choosing addresses that collide

	// atomic: New and Grow write
	bank atomic.Pointer[bank] // its capacity is the one in force

	// atomic: SetTTL writes
	ttl atomic.Int64 // seconds; 0 = endless

	resize sync.Mutex // held by Grow and Close from end to end; taken before any stripe

	// guarded by resize
	closed bool

	// atomic: every Visit writes
	_     [128]byte
	clock atomic.Uint64 // visits so far; the number of each is a stamp
	_     [128]byte

	// atomic: written by whoever inserts or removes, while holding that entry's stripe
	used      atomic.Int64
	evictions atomic.Uint64
}

// New makes a table for so many clients, 1 to MaxSlots, that forgets a client ttl after its last Visit (0 = never; rounded up to whole seconds).
// Its memory is reserved at once and touched as clients come. Grow makes room for more. Close gives it back.
func New(slots int, ttl time.Duration) (*Table, error) {
	if slots < 1 || slots > MaxSlots {
		return nil, fmt.Errorf("make a table of %d clients: want 1 to %d", slots, MaxSlots)
	}
	l := layoutFor(slots)
	arena, err := mapArena(l.bytes())
	if err != nil {
		return nil, fmt.Errorf("make a table of %d clients: %w; ask for fewer", slots, err)
	}
	return newTable(newBank(slots, l, arena), ttl), nil
}

func newTable(b *bank, ttl time.Duration) *Table {
	t := &Table{}
	rand.Read(t.secret[:]) // never errs since Go 1.24
	t.SetTTL(ttl)
	t.bank.Store(b)
	return t
}

// hash is that of k under the table's secret. The secret goes in ahead of the key and over it: xxhash is no keyed hash, and a secret ahead alone would
// leave collisions that do not depend on it.
func (t *Table) hash(k *Key) uint64 {
	mixed := t.secret
	le := binary.LittleEndian
	le.PutUint64(mixed[8:], le.Uint64(mixed[8:])^le.Uint64(k[:]))
	le.PutUint64(mixed[16:], le.Uint64(mixed[16:])^le.Uint64(k[8:]))
	return xxhash.Sum64(mixed[:])
}

// hold returns, held, the stripe that k is in, or else the one it would be put into. The stripe is from the high bits of the hash, the tag from the low ones.
// The table may leave the bank that this begins with at any time; a stripe whose clients are leaving says so.
func (t *Table) hold(k *Key) (s *stripe, tag uint32) {
	hash := t.hash(k)
	tag = uint32(hash) | inUse
	for b := t.bank.Load(); ; b = b.next.Load() {
		s = b.stripe(hash)
		s.mu.Lock()
		if !s.leaving {
			return s, tag
		}
		if _, found := s.find(k, tag); found {
			return s, tag
		}
		s.mu.Unlock()
	}
}

// holdWhole returns, held, a stripe with all clients whose hashes begin as this one does. What is on its way to there is moved first.
func (t *Table) holdWhole(hash uint64) *stripe {
	for b := t.bank.Load(); ; b = b.next.Load() {
		s := b.stripe(hash)
		s.mu.Lock()
		if !s.leaving {
			return s
		}
		s.mu.Unlock()
		t.moveAll(s)
	}
}

// Visit counts a connect of k, makes k the most recently used client and returns its home: 0 if it has none, is new, or had expired and begins anew.
// A new client in a full table costs the least recently used one its place (see Admit for those with live connections). A closed table remembers nobody.
func (t *Table) Visit(k Key, now int64) (home uint32) {
	seen := seconds(now)
	s, i, used := t.meet(&k, seen)
	if s == nil {
		return 0
	}
	e := &s.slots[i]
	e.connected()
	e.seen = seen
	home = uint32(e.home)
	t.letGo(s, used, seen)
	return home
}

// meet makes k the most recently used client, which it takes in if it is new and begins anew if it had expired. It returns the stripe, held, and the place there; nil
// from a closed table. What follows is letGo, which wants used. The time of the last visit is left as it was, for a bucket to be reckoned from.
func (t *Table) meet(k *Key, seen uint32) (s *stripe, i uint32, used int64) {
	s, tag := t.hold(k)
	i, found := s.find(k, tag)
	if found {
		if s.leaving {
			s, i = t.carry(s, i, seen)
		}
		if e := &s.slots[i]; expired(e.seen, seen, t.ttl.Load()) {
			e.beginAnew()
		}
		s.touch(i, t.clock.Add(1)) // while the stripe is held, so that stamps are in the order of the list
		return s, i, 0
	}
	if s.slots == nil {
		s.mu.Unlock()
		return nil, 0, 0
	}
	if s.full() {
		t.used.Add(-1)
		t.evict(s, seen)
		i, _ = s.find(k, tag)
	}
	if t.used.Load() >= t.bank.Load().capacity/2 {
		t.refresh(s) // before k has its stamp, or k would be older than they
	}
	s.insert(i, k, tag, seen, t.clock.Add(1))
	used = t.used.Add(1)
	if used == s.bank.hugeAt {
		s.bank.preferHuge(used)
	}
	return s, i, used
}

// letGo ends what meet began; used is how many clients there were with the one that it took in, 0 if it took in none.
func (t *Table) letGo(s *stripe, used int64, seen uint32) {
	s.mu.Unlock()
	if used > t.bank.Load().capacity {
		t.makeRoom(seen)
	}
}

// Claim makes server, at most MaxHome, the home of k if k has none, and returns the home in force, so that two callers that race agree. It is not a visit.
// A client forgotten or expired meanwhile is not taken in again: the answer is server, and nothing is kept.
func (t *Table) Claim(k Key, now int64, server uint32) (home uint32) {
	s, tag := t.hold(&k)
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found || expired(s.slots[i].seen, seconds(now), t.ttl.Load()) {
		return server
	}
	e := &s.slots[i]
	if e.home == 0 {
		e.home = uint16(server)
	}
	return uint32(e.home)
}

// Move changes the home of k from one server to another, at most MaxHome, if it still is from, and says whether it did. It is not a visit.
func (t *Table) Move(k Key, from, to uint32) bool {
	s, tag := t.hold(&k)
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found || uint32(s.slots[i].home) != from {
		return false
	}
	s.slots[i].home = uint16(to)
	return true
}

// Count adds bytes from (up) and to (down) the client. It is not a visit, and does nothing for a client that is forgotten.
func (t *Table) Count(k Key, up, down uint64) {
	s, tag := t.hold(&k)
	defer s.mu.Unlock()
	if i, found := s.find(&k, tag); found {
		s.slots[i].up += up
		s.slots[i].down += down
	}
}

// Peek returns a copy of k's entry and changes nothing. An expired entry is not found, or, with live connections, is what is left of it once Expire has come by.
func (t *Table) Peek(k Key, now int64) (Entry, bool) {
	s, tag := t.hold(&k)
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found {
		return Entry{}, false
	}
	e := s.slots[i] // a copy
	if expired(e.seen, seconds(now), t.ttl.Load()) {
		if e.live() == 0 {
			return Entry{}, false
		}
		e.beginAnew()
		e.seen = seconds(now)
	}
	return e.entry(), true
}

// Each yields a copy of every entry, in no order, until yield says no. It holds no lock during yield, which may call any method: the copies are of one
// stripe at a time, each stripe as it was at one moment. Expired entries that Expire has not come to yet are among them.
func (t *Table) Each(yield func(Entry) bool) {
	if t.Len() == 0 {
		return
	}
	var held []Entry
	for hash := uint64(0); ; { // the first of those that belong to the next stripe
		s := t.holdWhole(hash)
		if int(s.used) > cap(held) {
			s.mu.Unlock()
			held = make([]Entry, 0, s.bank.share)
			continue
		}
		held = s.appendTo(held[:0])
		s.mu.Unlock()
		for _, e := range held {
			if !yield(e) {
				return
			}
		}
		if hash = (hash>>s.bank.shift + 1) << s.bank.shift; hash == 0 {
			return // it was the last
		}
	}
}

// Len is the number of entries, with those that have expired and are not removed yet.
func (t *Table) Len() int { return int(t.used.Load()) }

// Cap is the number of clients the table was made for, or has last grown to.
func (t *Table) Cap() int { return int(t.bank.Load().capacity) }

// Bytes is the size of the whole table, while it grows that of the old one. All but 35 KB is address space, of which the kernel makes resident what clients
// touch. At most 80 bytes a client from 1.1 million clients on.
func (t *Table) Bytes() int64 {
	b := t.bank.Load()
	return int64(len(b.arena) + headBytes(len(b.stripes)))
}

// Evictions counts clients that were forgotten to make room for others, though they had not expired.
func (t *Table) Evictions() uint64 { return t.evictions.Load() }

// SetTTL changes the time after which clients are forgotten, for those in the table too; 0 = never. It is rounded up to whole seconds.
func (t *Table) SetTTL(ttl time.Duration) { t.ttl.Store(wholeSeconds(ttl)) }

// Close empties the table and unmaps the arena. Other methods may be called during and after it: they find nothing. It waits for a Grow that has begun.
// A second Close does nothing.
func (t *Table) Close() error {
	t.resize.Lock()
	defer t.resize.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	b := t.bank.Load()
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		t.used.Add(-int64(s.used))
		s.close()
		s.mu.Unlock()
	}
	if err := b.unmap(); err != nil {
		return fmt.Errorf("unmap the client table: %w", err)
	}
	return nil
}
