package affinity

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
)

// bank is an arena cut into stripes. A table has one; while Grow moves clients from one bank to the next it has two, and each client is in one of them.
// Stripes are on the Go heap: whoever still has a bank in hand that the table has left meets a stripe's lock and its word that the clients are leaving, never the arena.
type bank struct {
	// constant after New
	arena     []byte
	stripes   []stripe
	tails     []atomic.Uint64 // the stamp of each stripe's oldest entry; written by the stripes
	shift     int             // a hash shifted right by it is the number of a stripe
	share     int             // slots of one stripe
	capacity  int64
	hugeAt    int64         // clients; 0 = never
	collapses bool          // huge pages may be made without waiting for the kernel to come by
	left      chan struct{} // closed when the arena is about to be unmapped

	// atomic: Grow writes, before it moves the first stripe; nil until then
	next atomic.Pointer[bank]

	// atomic: one writer, the first who sees hugeAt reached
	huge atomic.Bool

	collapsing sync.WaitGroup // one goroutine at most, begun by that writer
}

// newBank cuts arena, which must be zero and of l.bytes(), into stripes.
func newBank(slots int, l layout, arena []byte) *bank {
	b := &bank{
		arena:     arena,
		stripes:   make([]stripe, l.stripes),
		tails:     make([]atomic.Uint64, l.stripes),
		shift:     64 - bits.TrailingZeros(uint(l.stripes)),
		share:     l.share,
		capacity:  int64(slots),
		hugeAt:    hugeAfter(len(arena)),
		collapses: hugeAfter(len(arena)) > 0 && mayCollapse(),
		left:      make(chan struct{}),
	}
	all := slotsOf(arena)
	for i := range b.stripes {
		b.stripes[i].open(b, all[i*l.share:(i+1)*l.share:(i+1)*l.share], &b.tails[i])
	}
	return b
}

// stripe returns the one that clients of this hash belong to. A bank with more stripes splits each of these: no stripe of it takes from two.
func (b *bank) stripe(hash uint64) *stripe { return &b.stripes[hash>>b.shift] }

// preferHuge asks for huge pages if so many clients make them pay. The arena may not be unmapped meanwhile: hold a stripe of it, or Table.resize.
func (b *bank) preferHuge(clients int64) {
	if b.hugeAt > 0 && clients >= b.hugeAt && b.huge.CompareAndSwap(false, true) {
		adviseHuge(b.arena)
		if b.collapses {
			b.collapsing.Go(func() { collapse(b.arena, b.left) })
		}
	}
}

// unmap gives the arena back. All stripes must have let go of it: then nobody asks for huge pages any more.
func (b *bank) unmap() error {
	close(b.left)
	b.collapsing.Wait()
	return syscall.Munmap(b.arena)
}
