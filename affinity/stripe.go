package affinity

import (
	"math"
	"sync"
	"sync/atomic"
)

// stripe is one part of the table: a share of the arena as an open-addressed table, and the LRU list of the clients in it.
// All methods want mu held. The size is two cache lines, since processors fetch lines in pairs.
//
// Invariant: the list holds each used slot once, from the newest stamp to the oldest, but for those owed, which belong at its head, the last of them first.
// Invariant: the list's last entry is not owed. Hence it is the oldest, and tail is its stamp; noTail if there is none.
// Invariant: no free slot lies between an entry and the place its tag asks for, and at least one slot is free.
type stripe struct {
	mu sync.Mutex

	// constant after New
	tail *atomic.Uint64 // written here, under mu; read by everybody. One word of bank.tails
	bank *bank

	// guarded by mu
	slots  []slot // this stripe's share of the arena; nil once the table is closed or the clients have moved
	newest uint32 // head of the list
	oldest uint32 // its tail
	used   uint32

	leaving bool // for good: whoever is not here is in bank.next, where all newcomers go too

	owing   uint8
	owed    [owedMost]uint32 // places whose entries were visited and have still to move to the head, in the order of the visits; the first owing are in use
	hand    uint32           // the place that refresh looked at last
	fetched uint32           // what settle reads ahead goes here, or the compiler would leave the reading out; nobody looks at it

	_ [56 - 4*owedMost]byte
}

// owedMost is how many visits the list may lag behind. Moving one entry writes to both its neighbours, which lie anywhere: two lines that a large table has in no cache, and
// a processor that writes and then unlocks waits for them. Those of several entries it fetches at the same time. Measured at 10 million clients, a visit takes
// 15 to 35 % less with 4, 8, 16 or 31 than with 1; between these there was no difference.
const owedMost = 8

// noTail is published by a stripe that is empty. It is newer than every stamp.
const noTail = math.MaxUint64

func (s *stripe) open(b *bank, slots []slot, tail *atomic.Uint64) {
	s.bank, s.slots, s.tail = b, slots, tail
	s.newest, s.oldest = nowhere, nowhere
	tail.Store(noTail)
}

// close lets go of the arena; the stripe is empty then and takes nothing in.
func (s *stripe) close() {
	s.slots, s.used, s.owing = nil, 0, 0
	s.newest, s.oldest = nowhere, nowhere
	s.tail.Store(noTail)
}

// place is where a tag asks to be: its share of 2^32 scaled to the slots, no power of two needed (Lemire, "Fast random integer generation in an interval", 2019).
func (s *stripe) place(tag uint32) uint32 { return uint32(uint64(tag) * uint64(len(s.slots)) >> 32) }

func (s *stripe) after(i uint32) uint32 {
	if i++; int(i) == len(s.slots) {
		return 0
	}
	return i
}

// steps counts how often after leads from i to j.
func (s *stripe) steps(i, j uint32) uint32 {
	if j < i {
		j += uint32(len(s.slots))
	}
	return j - i
}

// find returns where k is, or else the free slot where it belongs. An empty stripe is not looked into: its pages may never have been touched.
func (s *stripe) find(k *Key, tag uint32) (i uint32, found bool) {
	i = s.place(tag)
	if s.used == 0 {
		return i, false
	}
	for ; s.slots[i].tag != 0; i = s.after(i) {
		if e := &s.slots[i]; e.tag == tag && e.key == *k {
			return i, true
		}
	}
	return i, false
}

// full says that another entry would take the last free slot.
func (s *stripe) full() bool { return int(s.used)+1 >= len(s.slots) }

// insert puts a new client into the free slot i, as the newest.
func (s *stripe) insert(i uint32, k *Key, tag, seen uint32, stamp uint64) {
	s.put(i, &slot{key: *k, tag: tag, stamped: stamp << liveBits, seen: seen})
}

// receive takes in a copy of an entry that is older than all that are here. The stripe must not be full.
func (s *stripe) receive(e *slot) {
	i, _ := s.find(&e.key, e.tag)
	s.slots[i] = *e
	s.used++
	s.join(s.oldest, i)
	s.join(i, nowhere)
	s.publish()
}

// put fills the free slot i and links it as the newest.
func (s *stripe) put(i uint32, e *slot) {
	s.settle()
	s.slots[i] = *e
	s.used++
	s.link(i)
	if s.oldest == i {
		s.publish()
	}
}

// touch makes entry i the newest. The list hears of it later, unless i is the oldest.
func (s *stripe) touch(i uint32, stamp uint64) {
	s.slots[i].setStamp(stamp)
	if s.oldest == i {
		s.settle()
		s.raise(i)
		s.publish()
		return
	}
	s.owed[s.owing] = i
	if s.owing++; s.owing == owedMost {
		s.settle()
	}
}

// settle brings the list up to date. Whoever looks at more of it than its end, or takes an entry from its place, settles first.
func (s *stripe) settle() {
	owed := s.owed[:s.owing]
	for _, i := range owed {
		e := &s.slots[i] // not the oldest: it has a next
		s.fetched += s.slots[e.next].tag
		if e.prev != nowhere {
			s.fetched += s.slots[e.prev].tag
		}
	}
	for _, i := range owed {
		s.raise(i)
	}
	s.owing = 0
}

// raise moves entry i to the head of the list.
func (s *stripe) raise(i uint32) {
	if s.newest != i {
		s.unlink(i)
		s.link(i)
	}
}

// remove forgets entry i and closes the gap: an entry behind it moves up unless that would put it before its own place (Knuth, TAOCP 3, 6.4, algorithm R).
func (s *stripe) remove(i uint32) {
	s.settle()
	wasOldest := s.oldest == i
	s.unlink(i)
	s.used--
	for j := s.after(i); s.slots[j].tag != 0; j = s.after(j) {
		if s.steps(s.place(s.slots[j].tag), j) >= s.steps(i, j) {
			s.move(j, i)
			i = j
		}
	}
	s.slots[i] = slot{}
	if wasOldest {
		s.publish()
	}
}

// move copies an entry and points its neighbours in the list to the copy.
func (s *stripe) move(from, to uint32) {
	e := &s.slots[to]
	*e = s.slots[from]
	s.join(e.prev, to)
	s.join(to, e.next)
}

// link puts slot i at the head of the list.
func (s *stripe) link(i uint32) {
	head := s.newest
	s.join(nowhere, i)
	s.join(i, head)
}

func (s *stripe) unlink(i uint32) { s.join(s.slots[i].prev, s.slots[i].next) }

// join makes b follow a in the list. Nowhere before b means that b is the head, nowhere after a that a is the tail.
func (s *stripe) join(a, b uint32) {
	if a == nowhere {
		s.newest = b
	} else {
		s.slots[a].next = b
	}
	if b == nowhere {
		s.oldest = a
	} else {
		s.slots[b].prev = a
	}
}

func (s *stripe) publish() {
	if s.oldest == nowhere {
		s.tail.Store(noTail)
		return
	}
	s.tail.Store(s.slots[s.oldest].stamp())
}

// appendTo copies all entries behind those of to.
func (s *stripe) appendTo(to []Entry) []Entry {
	for i, left := 0, s.used; left > 0; i++ {
		if s.slots[i].tag != 0 {
			to = append(to, s.slots[i].entry())
			left--
		}
	}
	return to
}
