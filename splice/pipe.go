package splice

import (
	"syscall"

	"pen/internal/sys"
)

// Pipe is a kernel pipe on loan from a Pool. It belongs to one direction of one connection between Get and Put, and to the pool otherwise.
// Not safe for concurrent use.
//
// Invariant: 0 ≤ Data ≤ Size, and the kernel's pipe holds exactly Data bytes, because nobody else knows its descriptors.
type Pipe struct {
	// owned by the loop
	Data   int   // bytes inside
	pooled bool  // in the pool's hands, open or closed
	next   *Pipe // the pool's free lists

	// constant between open and close
	Size int // bytes the kernel granted
	r, w int
}

// Drain moves up to limit bytes from a socket into the pipe, never more than the pipe has room for; a limit below 1 counts as 1, since asking for nothing would look like end of file.
// 0, 0 is end of file, also while the pipe still holds data. A pipe full by bytes is EAGAIN without a system call; one full by slots is EAGAIN too, and hides end of file and errors until it is pumped.
// EAGAIN says that the socket is empty only if Data was 0 on entry; otherwise Pump, and ask again. A short count says nothing (package comment).
// EINVAL with Data 0: splice does not work on this socket, and no byte has moved.
func (p *Pipe) Drain(src, limit int) (n int, errno syscall.Errno) {
	room := p.Size - p.Data
	if room <= 0 {
		return 0, syscall.EAGAIN
	}
	n, errno = sys.Splice(src, p.w, min(room, max(1, limit)))
	p.Data += n
	return n, errno
}

// Pump moves what the pipe holds into a socket, which must be non-blocking. An empty pipe gives 0, 0 without a system call.
// EAGAIN, or a count that leaves Data above 0, means that the socket takes no more for now. With any other errno Data is what was lost, and n may be above 0 as well.
// A peer that is gone gives EPIPE; the SIGPIPE that splice raises with it, for want of a flag against it, is ignored by the Go runtime.
func (p *Pipe) Pump(dst int) (n int, errno syscall.Errno) {
	for p.Data > 0 {
		moved, errno := sys.Splice(p.r, dst, p.Data)
		if errno == syscall.EAGAIN && n > 0 {
			return n, 0
		}
		if errno != 0 {
			return n, errno
		}
		// Not all of it, and no errno: kernels before 6.5 also stop for a signal, and Go's scheduler sends those. Only EAGAIN tells.
		n += moved
		p.Data -= moved
	}
	return n, 0
}
