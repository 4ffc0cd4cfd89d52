package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads from a socket into p, which must not be empty; 0, 0 is end of file.
func Recv(fd int, p []byte) (int, syscall.Errno) {
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), 0
	}
}

// Send writes p to a socket, without SIGPIPE; fewer bytes than asked means its buffer is full.
func Send(fd int, p []byte) (int, syscall.Errno) { return SendMore(fd, p, false) }

// SendMore is Send; with more set, for bytes that are followed at once by something that pushes them out, as a ShutWrite does: a last part of a segment waits for it, so that bytes and FIN make one packet.
// Without such a successor they would lie for 200 ms.
func SendMore(fd int, p []byte, more bool) (int, syscall.Errno) {
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
	if more {
		flags |= unix.MSG_MORE
	}
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), 0
	}
}

// Splice moves up to n bytes between a pipe and a socket without copying them through user space; 0, 0 is end of file.
// n must not exceed the pipe's size. Never SPLICE_F_MORE: a lone F_MORE delays the last bytes by 200 ms (golang/go#10948).
func Splice(from, to, n int) (int, syscall.Errno) {
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), 0
	}
}

// Pipe opens a non-blocking pipe and asks for size bytes; granted is what the kernel gave, less once the user is past fs.pipe-user-pages-soft. The caller owns both ends.
func Pipe(size int) (r, w, granted int, e syscall.Errno) {
	if e := fault(Fault.Pipe); e != 0 {
		return -1, -1, 0, e
	}
	var p [2]int32
	if _, _, e := syscall.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), unix.O_NONBLOCK|unix.O_CLOEXEC, 0); e != 0 {
		return -1, -1, 0, e
	}
	g, _, e := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(p[1]), unix.F_SETPIPE_SZ, uintptr(size))
	if e != 0 {
		// Over the user's soft limit growing is refused: what the pipe was born with will do.
		if g, _, e = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(p[1]), unix.F_GETPIPE_SZ, 0); e != 0 {
			Close(int(p[0]))
			Close(int(p[1]))
			return -1, -1, 0, e
		}
	}
	return int(p[0]), int(p[1]), int(g), 0
}

// Close closes a descriptor. Whatever it answers, the number is free afterwards; it is never tried again.
func Close(fd int) {
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}
