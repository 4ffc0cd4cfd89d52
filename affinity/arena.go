package affinity

import (
	"fmt"
	"math"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	slotSize = int(unsafe.Sizeof(slot{})) // bytes; 64, one cache line
	pageSize = 4096                       // bytes; the unit in which the arena becomes resident at first

	// maxStripes bounds what an eviction looks through: 256 stamps are 2 KiB, about 0.3 µs. It suffices for 100 CPUs that hold a stripe 1 % of their time each.
	maxStripes = 256
	// minMean is how many clients a full table has on average in each of its stripes, unless it has one stripe only.
	minMean = 128
	// slackDeviations is how far, in standard deviations of a stripe's number of clients, its share reaches beyond the average.
	slackDeviations = 16

	// headShare is how many slots a stripe of a large table does without, so that the table takes 80 bytes a client with everything that is not slots:
	// 136 bytes of stripe and tail, and a 256th of Table and bank.
	headShare = 3
)

// layout says how the arena is cut.
type layout struct {
	stripes int // a power of two
	share   int // slots of one stripe; one of them always stays free, which ends every probe
}

// layoutFor is made from the number of clients alone, so that a table behaves alike on every machine.
//
// A stripe's number of clients is binomial with mean m = slots/stripes. Its share is the larger of 1.25 m - 3 and m + 16 √m. The second holds for small
// tables, up to m = 4120; the first costs large ones 80 bytes a client and fills them to 0.8, where a hit looks at 3 neighbouring lines on average and a
// miss at 13 (Knuth, TAOCP 3, 6.4). The chance that a stripe wants more than x·m is at most exp(-m (x ln x - x + 1)) (Chernoff), below 1e-39 for every size.
func layoutFor(slots int) layout {
	stripes := 1
	for stripes < maxStripes && slots >= 2*stripes*minMean {
		stripes *= 2
	}
	mean := (slots + stripes - 1) / stripes
	roomy := mean + int(math.Ceil(slackDeviations*math.Sqrt(float64(mean)))) + 1
	return layout{stripes: stripes, share: max((slots+slots/4)/stripes-headShare, roomy)}
}

// bytes is the size of the arena.
func (l layout) bytes() int { return l.stripes * l.share * slotSize }

// headBytes is what a table of so many stripes takes beside its arena.
func headBytes(stripes int) int {
	return int(unsafe.Sizeof(Table{})+unsafe.Sizeof(bank{})) + stripes*int(unsafe.Sizeof(stripe{})+unsafe.Sizeof(atomic.Uint64{}))
}

// mapArena returns zeroed memory outside the Go heap; unmap it with syscall.Munmap. Small pages at first, also where the system's default is huge ones:
// scattered clients would each touch 2 MiB.
func mapArena(bytes int) ([]byte, error) {
	mem, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of memory: %w", bytes, err)
	}
	if bytes >= hugeFrom {
		// Advice: a kernel built without huge pages refuses, and nothing is lost.
		_ = syscall.Madvise(mem, syscall.MADV_NOHUGEPAGE)
	}
	return mem, nil
}

// slotsOf looks at the arena as slots. The arena must begin at a multiple of 8 bytes; pages do.
func slotsOf(mem []byte) []slot {
	return unsafe.Slice((*slot)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/slotSize)
}
