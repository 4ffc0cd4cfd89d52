package backend

import "sync/atomic"

// The bits of Slot.state.
const (
	probeDown uint32 = 1 << iota // written by the prober
	drained                      // written by the control
)

// Slot is what is known about one server. All methods are safe for concurrent use and none blocks or allocates.
//
// It fills two cache lines: the first is read for every choice and written when a verdict changes, the second is written by every connection.
// Kept apart, the traffic does not invalidate what the choice reads. 128 bytes is also what Intel's adjacent-line prefetcher moves at once.
type Slot struct {
	// atomic: prober and control, one bit each
	state atomic.Uint32
	_     [4]byte
	// atomic: the loops raise it, the prober clears it; unix ns
	shunned atomic.Int64
	// atomic: control; unix ns
	banned atomic.Int64
	// atomic: the loops; unix ns
	lastFailure atomic.Int64
	_           [32]byte

	// atomic: the loops
	live     atomic.Int32
	_        [4]byte
	up       atomic.Uint64 // bytes
	down     atomic.Uint64 // bytes
	connects atomic.Uint64
	failures atomic.Uint64
	_        [24]byte
}

// raise sets word to at least to: of two loops with different evidence the later time wins, whatever the order they come in.
func raise(word *atomic.Int64, to int64) {
	for {
		at := word.Load()
		if at >= to || word.CompareAndSwap(at, to) {
			return
		}
	}
}
