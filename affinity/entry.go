package affinity

import (
	"math"
	"time"
)

// Entry is a copy of what the table knows of one client.
type Entry struct {
	Key      Key
	Home     uint32 // server id, 0 = none yet
	LastSeen int64  // last Visit or Admit, unix nanoseconds, cut to the second; see Expire for a client with live connections
	Connects uint32 // visits since the client was new; stops at the largest uint32, so that a busy client never looks like a new one
	Up, Down uint64 // bytes from and to the client; wrap at 2^64, which takes a client of 100 Gbit/s 46 years
	Live     uint16 // connections that Admit has let in and Leave has not yet counted out; stops at the largest uint16
	Debt     uint16 // what the bucket held at LastSeen, in steps of the rate that was in force then (see Rate)
}

// slot is one place of the arena: exactly one cache line, and without Go pointers, since the arena is not the garbage collector's.
// Free slots are all zero, as fresh pages are, so that an empty table need not be written.
type slot struct {
	key      Key
	stamped  uint64 // the number of the last visit (see Table.clock) in the high 48 bits, the live connections in the low 16
	up, down uint64 // bytes
	seen     uint32 // last visit, unix seconds
	connects uint32
	home     uint16 // server id
	debt     uint16 // of the bucket, see Rate
	prev     uint32 // towards the newer, a place in the same stripe; nowhere at the head
	next     uint32 // towards the older; nowhere at the tail
	tag      uint32 // 0 = free, else the low bits of the key's hash with inUse set: where the entry wants to be, without hashing again
}

// inUse is set in every tag. The lowest bit is free for it: a slot's place is taken from the tag's high end.
const inUse = 1

// liveBits is how much of slot.stamped counts live connections. The rest lasts for 2^48 visits: 89 years at 100,000 a second.
const liveBits = 16

// MaxHome is the largest server id that fits an entry.
const MaxHome = math.MaxUint16

// nowhere ends a list.
const nowhere = math.MaxUint32

func (e *slot) connected() {
	if e.connects < math.MaxUint32 {
		e.connects++
	}
}

func (e *slot) stamp() uint64 { return e.stamped >> liveBits }

func (e *slot) setStamp(stamp uint64) { e.stamped = stamp<<liveBits | uint64(e.live()) }

func (e *slot) live() uint16 { return uint16(e.stamped) }

// enter counts a live connection in. What is over the largest number is not counted.
func (e *slot) enter() {
	if e.live() < math.MaxUint16 {
		e.stamped++
	}
}

// leave counts one out. An entry that was forgotten and begun anew is left by connections that it never knew of.
func (e *slot) leave() {
	if e.live() > 0 {
		e.stamped--
	}
}

// beginAnew makes of a client that has expired a new one, whose live connections are still there.
func (e *slot) beginAnew() { e.home, e.debt, e.connects, e.up, e.down = 0, 0, 0, 0, 0 }

func (e *slot) entry() Entry {
	return Entry{
		Key: e.key, Home: uint32(e.home), LastSeen: int64(e.seen) * int64(time.Second),
		Connects: e.connects, Up: e.up, Down: e.down, Live: e.live(), Debt: e.debt,
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
