package affinity

import (
	"math"
	"time"
)

// Entry is a copy of what the table knows of one client.
type Entry struct {
	Key      Key
	Home     uint32 // server id, 0 = none yet
	LastSeen int64  // last Visit, unix nanoseconds, cut to the second
	Connects uint32 // visits since the client was new; stops at the largest uint32, so that a busy client never looks like a new one
	Up, Down uint64 // bytes from and to the client; wrap at 2^64, which takes a client of 100 Gbit/s 46 years
}

// slot is one place of the arena: exactly one cache line, and without Go pointers, since the arena is not the garbage collector's.
// Free slots are all zero, as fresh pages are, so that an empty table need not be written.
type slot struct {
	key      Key
	stamp    uint64 // number of the last visit, see Table.clock
	up, down uint64 // bytes
	seen     uint32 // last visit, unix seconds
	connects uint32
	home     uint32
	prev     uint32 // towards the newer, a place in the same stripe; nowhere at the head
	next     uint32 // towards the older; nowhere at the tail
	tag      uint32 // 0 = free, else the low bits of the key's hash with inUse set: where the entry wants to be, without hashing again
}

// inUse is set in every tag. The lowest bit is free for it: a slot's place is taken from the tag's high end.
const inUse = 1

// nowhere ends a list.
const nowhere = math.MaxUint32

func (e *slot) connected() {
	if e.connects < math.MaxUint32 {
		e.connects++
	}
}

func (e *slot) entry() Entry {
	return Entry{
		Key: e.key, Home: e.home, LastSeen: int64(e.seen) * int64(time.Second),
		Connects: e.connects, Up: e.up, Down: e.down,
	}
}

// expired compares in unix seconds. An age equal to the ttl is not yet expired, as in Pen: with times cut to the second, an entry lives for ttl to ttl+1 s and never less.
// A now before seen (a caller that lags) expires nothing. A ttl of 0 is endless.
func expired(seen, now uint32, ttl int64) bool {
	return ttl > 0 && now > seen && int64(now-seen) > ttl
}

// seconds cuts unix nanoseconds to the seconds of a slot, which last until 2106.
func seconds(now int64) uint32 {
	return uint32(min(max(now/int64(time.Second), 0), math.MaxUint32))
}

// wholeSeconds rounds a ttl up, so that no client is forgotten before its time. Nothing or less is 0: endless.
func wholeSeconds(ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return int64((ttl-1)/time.Second) + 1
}
