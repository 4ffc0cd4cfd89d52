package sys

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mute has a TCP listener refuse clients: connects get RST, and so do those that wait to be accepted. The socket keeps its address, so that Unmute needs no privilege and no luck:
// SO_REUSEADDR, which would let others bind the address of a socket that does not listen, is taken away meanwhile. One that was bound to port 0 loses its port.
// What a muted listener is asked for besides fails with EINVAL; it has to be out of every poller, since epoll reports it as hung up for as long as it is in.
func Mute(fd int) error {
	if e := setsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0); e != 0 {
		return os.NewSyscallError("setsockopt SO_REUSEADDR", e)
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_RDWR))
}

// Unmute has it listen again. EADDRINUSE: somebody got the address all the same, as another process of the same user can with SO_REUSEPORT. Steering programs (SteerByCPU, SteerByClient)
// are gone once every listener of an address was muted, and the listeners are numbered in the order in which they are unmuted.
func Unmute(fd, backlog int) error {
	if e := setsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); e != 0 {
		return os.NewSyscallError("setsockopt SO_REUSEADDR", e)
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// ListenQueue is how many connections wait to be accepted from a TCP listener, and how many may. Anything else has none, which is not an error: the descriptor may have another owner by now.
func ListenQueue(fd int) (waiting, most int) {
	var info unix.TCPInfo
	n := uint32(unsafe.Sizeof(info))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 || info.State != tcpListen {
		return 0, 0
	}
	return int(info.Unacked), int(info.Sacked) // tcp_get_info says it so for a listener
}

// tcpListen is TCP_LISTEN of the kernel's net/tcp_states.h.
const tcpListen = 10
