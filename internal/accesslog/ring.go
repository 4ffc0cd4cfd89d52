package accesslog

import (
	"net/netip"
	"sync/atomic"
)

// ring carries lines from any number of loops to the one writer. No caller ever waits for another: one that is taken off its processor halfway
// holds up the writer, not the loops. (A mutex costs the same, 50 to 60 ns a line, but on a busy machine it turned into a queue of 5 ms a line.)
//
// A place is used once a lap. Its turn is 2×lap when it is free for that lap, and one more when its line is there to be read.
type ring struct {
	// constant after newRing
	cells []cell
	mask  uint64 // len(cells)-1; the length is a power of two
	most  int    // bytes of a request that are kept
	text  []byte // the requests of the cells, most bytes each

	// owned by the writer
	tail uint64 // the next place to read

	_ [64]byte // keeps the loops' counter off the cache line of what they only read

	// atomic: the loops
	head atomic.Uint64 // the next place to write

	_ [64]byte
}

type cell struct {
	// atomic: the loop that has the place, then the writer
	turn atomic.Uint64

	// owned by whoever's turn it is
	line
}

// newRing returns a ring for at least two lines, a power of two of them, and most bytes of each request.
// Memory is touched only as it is used: a zero cell is free for lap 0.
func newRing(lines, most int) *ring {
	return &ring{cells: make([]cell, lines), mask: uint64(lines - 1), most: most, text: make([]byte, lines*most)}
}

// put copies a line in, data cut to its request, and returns its number. It is false when the ring is full. Any goroutine may call it.
func (r *ring) put(now int64, client netip.Addr, server string, data []byte) (number uint64, ok bool) {
	return r.take(line{at: now, client: client, server: server}, request(data, r.most))
}

// putWhole is put for a line that is formatted already, without its newline; it must fit.
func (r *ring) putWhole(text []byte) (number uint64, ok bool) {
	return r.take(line{whole: true}, text)
}

// take puts a line with a copy of text. (A line that brought it along would have text escape to the heap.)
func (r *ring) take(e line, text []byte) (number uint64, ok bool) {
	for {
		number = r.head.Load()
		c, turn := r.at(number)
		switch is := c.turn.Load(); {
		case is < turn:
			return 0, false // the line of the lap before has not been read
		case is > turn:
			continue // another caller has just taken this number
		}
		if r.head.CompareAndSwap(number, number+1) {
			from := int(number&r.mask) * r.most
			e.request = append(r.text[from:from:from+r.most], text...)
			c.line = e
			c.turn.Store(turn + 1)
			return number, true
		}
	}
}

// next returns the oldest line, nil when there is none or when its caller is still copying. It stays valid until pop. Writer only.
func (r *ring) next() *line {
	c, turn := r.at(r.tail)
	if c.turn.Load() != turn+1 {
		return nil
	}
	return &c.line
}

// pop frees the place of the line that next returned. Writer only.
func (r *ring) pop() {
	c, turn := r.at(r.tail)
	r.tail++
	c.turn.Store(turn + 2)
}

// waiting is how many lines were put and not popped, those still being copied among them. Writer only.
func (r *ring) waiting() int { return int(r.head.Load() - r.tail) }

func (r *ring) at(number uint64) (c *cell, turn uint64) {
	return &r.cells[number&r.mask], number / uint64(len(r.cells)) * 2
}
