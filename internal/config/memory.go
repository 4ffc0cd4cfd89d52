package config

// What the process takes of memory, bytes, as far as the flags decide it. Each is rounded up from what it is made of. What the kernel takes beside that stands in docs/reliability.md.
const (
	// baseBytes is the program's own pages, the Go runtime with its least heap of 4 MiB, logs and the control port. An idle pen of two loops is seen at 18 MiB.
	baseBytes = 32 << 20
	// loopBytes: the buffer that all copying goes through, one for a filter, 32 KiB each; the timer wheel, the events of a wait, room for 64 spare tails' headers; 256 KiB of messages that wait for the end
	// of the turn, and what the kernel is told them by.
	loopBytes = 640 << 10
	// connBytes: the connection 256, its search or place in the queue 72, its number and its places in lists. Its descriptors' places in the loop's table are counted apart.
	connBytes = 512
	// tailBytes is what a stalled direction that copies keeps, beside its header: one read of a full buffer.
	tailBytes = 32<<10 + 64
	// filteredBytes is what -H may hold back of a connection: a line of 64 KiB, in a slice that has grown to twice that, and a tail that takes it whole.
	filteredBytes = 256 << 10
	// webBytes is a connection to the page: its buffers, its goroutine, an answer under way.
	webBytes = 64 << 10
	// fdBytes is a descriptor's place in a loop's table of ends. Those of one loop may be spread over all there are.
	fdBytes = 8
	// garbage is what the collector lets a heap grow to, as a multiple of what is in use: GOGC=100.
	garbage = 2
)

// memory is the process's memory with every connection open and idle, and with each stalled both ways, its bytes in tails because no pipe is left.
func (o *Options) memory(b *Budget) (idle, most int64) {
	loops, conns := int64(b.Loops), int64(b.MaxConns)
	fixed := baseBytes + b.TableBytes + loops*loopBytes
	heap := conns*connBytes + loops*int64(b.Descriptors)*fdBytes
	stalled := 2 * int64(tailBytes)
	if o.Forwarded {
		stalled += filteredBytes
	}
	return fixed + garbage*heap, fixed + garbage*(heap+conns*stalled+int64(b.WebConns)*webBytes)
}
