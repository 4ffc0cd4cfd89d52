package splice

import (
	"sync/atomic"

	"pen/internal/sys"
)

// refusalPause is how many calls of Get go unasked after the kernel has refused a pipe (EMFILE, ENFILE, ENOMEM). Counted in calls, because a call means a stream that wants a pipe now:
// an idle loop has nothing to retry. 64 keeps a starved loop's failing pipe2 calls under two in a hundred, and 64 full reads of 32 KiB, the price of asking late, are 2 MiB copied.
const refusalPause = 64

// Pool keeps the open pipes of one loop. Get and Put hand out the one used last, whose kernel structures are the likeliest to be in the CPU's cache.
//
// Get, Put and Close belong to the loop. Open, Idle, Refused and Size may be called from any goroutine.
type Pool struct {
	// owned by the loop
	max   int   // pipes open at once; 0 after Close
	idle  *Pipe // open and empty, last used first
	shell *Pipe // closed, kept for their memory
	pause int   // calls of Get left before the kernel is asked again

	// constant after NewPool
	want int // bytes asked for per pipe

	// atomic: the loop writes, anybody reads
	opened   atomic.Int64 // pipes open: idle and on loan
	idling   atomic.Int64
	refused  atomic.Uint64
	smallest atomic.Int64 // bytes; 0 before the first pipe

	_ [56]byte // two cache lines, or the counters of two loops' pools would share one
}

// NewPool makes a pool of at most max pipes open at once, idle or on loan, each of size bytes if the kernel grants as much; what it grants is used. No pipe is opened yet. max 0: Get always refuses.
func NewPool(max, size int) *Pool { return &Pool{max: max, want: size} }

// Get lends an empty pipe. nil means that none is to be had, and the caller copies: all max are on loan, or the kernel gave none.
// After a refusal by the kernel the next 64 calls that find no idle pipe are refused without asking it.
func (p *Pool) Get() *Pipe {
	pipe := p.idle
	if pipe == nil {
		return p.open()
	}
	p.idle, pipe.next, pipe.pooled = pipe.next, nil, false
	p.idling.Add(-1)
	return pipe
}

func (p *Pool) open() *Pipe {
	if p.opened.Load() >= int64(p.max) {
		p.refused.Add(1)
		return nil
	}
	if p.pause > 0 {
		p.pause--
		p.refused.Add(1)
		return nil
	}
	r, w, size, errno := sys.Pipe(p.want)
	if errno != 0 {
		p.pause = refusalPause
		p.refused.Add(1)
		return nil
	}
	pipe := p.shell
	if pipe == nil {
		pipe = new(Pipe)
	} else {
		p.shell = pipe.next
	}
	*pipe = Pipe{Size: size, r: r, w: w}
	p.opened.Add(1)
	if s := p.smallest.Load(); s == 0 || int64(size) < s {
		p.smallest.Store(int64(size))
	}
	return pipe
}

// Put takes a pipe back; the caller must not touch it again. One that holds data is closed and its bytes are lost: another connection must never meet them.
// Putting a pipe twice would lend it to two connections at once, so that is a panic.
func (p *Pool) Put(pipe *Pipe) {
	if pipe.pooled {
		panic("splice: Put of a pipe that is in the pool")
	}
	pipe.pooled = true
	if pipe.Data != 0 || p.opened.Load() > int64(p.max) {
		p.close(pipe)
		return
	}
	pipe.next, p.idle = p.idle, pipe
	p.idling.Add(1)
}

func (p *Pool) close(pipe *Pipe) {
	sys.Close(pipe.r)
	sys.Close(pipe.w)
	p.opened.Add(-1)
	*pipe = Pipe{pooled: true, next: p.shell, r: -1, w: -1}
	p.shell = pipe
}

// Close closes the idle pipes and refuses Get from now on; a pipe still on loan is closed when it is Put.
func (p *Pool) Close() {
	p.max = 0
	for p.idle != nil {
		pipe := p.idle
		p.idle = pipe.next
		p.idling.Add(-1)
		p.close(pipe)
	}
}

// Open is the number of pipes open now, idle and on loan.
func (p *Pool) Open() int { return int(p.opened.Load()) }

// Idle is the number of open pipes nobody has on loan.
func (p *Pool) Idle() int { return int(p.idling.Load()) }

// Refused counts the calls of Get that returned nil.
func (p *Pool) Refused() uint64 { return p.refused.Load() }

// Size is the smallest size in bytes that the kernel has granted a pipe of this pool so far; 0 before the first.
func (p *Pool) Size() int { return int(p.smallest.Load()) }
