package sys

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Families for Socket.
const (
	Inet  = unix.AF_INET
	Inet6 = unix.AF_INET6
	Local = unix.AF_UNIX
)

// Accept takes one connection off a listener, non-blocking and close-on-exec. The peer of a Unix listener is the zero AddrPort.
func Accept(listener int) (fd int, peer netip.AddrPort, e syscall.Errno) {
	if e := fault(Fault.Accept); e != 0 {
		return -1, netip.AddrPort{}, e
	}
	var sa sockaddr
	n := uint32(unsafe.Sizeof(sa))
	r, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return -1, netip.AddrPort{}, e
	}
	return int(r), sa.ip(), 0
}

// Socket opens a non-blocking, close-on-exec stream socket of a family. The caller owns the descriptor.
func Socket(family int) (fd int, e syscall.Errno) {
	if e := fault(Fault.Socket); e != 0 {
		return -1, e
	}
	r, _, e := syscall.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return -1, e
	}
	return int(r), 0
}

// ConnectIP starts, or asks after, a connection. The first call gives EINPROGRESS as a rule; a later one with the same address is the one question that tells the whole truth about a connecting socket:
// EALREADY it is under way, 0 or EISCONN it stands, anything else is why it failed.
func ConnectIP(fd int, to netip.AddrPort) syscall.Errno {
	if e := fault(Fault.Connect); e != 0 {
		return e
	}
	var sa sockaddr
	n := sa.putIP(to)
	return connectRaw(fd, &sa, n)
}

// ConnectPath connects to a Unix socket; EAGAIN means its backlog is full.
func ConnectPath(fd int, path string) syscall.Errno {
	if e := fault(Fault.Connect); e != 0 {
		return e
	}
	var sa sockaddr
	n, ok := sa.putPath(path)
	if !ok {
		return unix.ENAMETOOLONG
	}
	return connectRaw(fd, &sa, n)
}

func connectRaw(fd int, sa *sockaddr, n uint32) syscall.Errno {
	for { // after an interruption the connect goes on by itself, and the next call says so (EALREADY)
		if _, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(n)); e != unix.EINTR {
			return e
		}
	}
}

// Disconnect makes a TCP socket unconnected, so that it can be connected anew: connect(2), to an address of no family. What has not been acknowledged by the peer, and what has not been read, is lost. The
// options stay, the local address and port do not, unless they were bound.
func Disconnect(fd int) syscall.Errno {
	sa := sockaddr{}
	return connectRaw(fd, &sa, uint32(unsafe.Sizeof(sa))) // AF_UNSPEC is 0
}

func bindRaw(fd int, sa *sockaddr, n uint32) syscall.Errno {
	_, _, e := syscall.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(n))
	return e
}

// PendingError takes the error the kernel holds for a socket (SO_ERROR), 0 if there is none. Taking it clears it.
func PendingError(fd int) syscall.Errno {
	var v int32
	n := uint32(unsafe.Sizeof(v))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR, uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return e
	}
	return syscall.Errno(v)
}

// ResetOnClose makes the next Close of a TCP socket send RST instead of FIN (SO_LINGER with no time).
func ResetOnClose(fd int) syscall.Errno {
	l := unix.Linger{Onoff: 1, Linger: 0}
	_, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
	return e
}

// ShutWrite sends FIN; reading goes on.
func ShutWrite(fd int) syscall.Errno {
	_, _, e := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return e
}

func setsockoptInt(fd, level, opt int, value int32) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt), uintptr(unsafe.Pointer(&value)), unsafe.Sizeof(value), 0)
	return e
}

// Unsent returns how many bytes written to a socket its peer has not taken yet: unacknowledged ones on TCP, unread ones on a Unix socket.
func Unsent(fd int) (int, syscall.Errno) {
	var n int32
	_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	return int(n), e
}

// BindSource gives a socket its own address before it connects. The port is left to the connect (IP_BIND_ADDRESS_NO_PORT), which can then use one port towards several servers; a port chosen here
// could only be used once (PEN.md B13). Transparent allows an address that is not this machine's (IP_TRANSPARENT; needs CAP_NET_ADMIN).
func BindSource(fd int, from netip.Addr, transparent bool) syscall.Errno {
	if e := setsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); e != 0 {
		return e
	}
	if transparent {
		level, opt := unix.IPPROTO_IP, unix.IP_TRANSPARENT
		if from.Is6() {
			level, opt = unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT
		}
		if e := setsockoptInt(fd, level, opt, 1); e != 0 {
			return e
		}
	}
	var sa sockaddr
	return bindRaw(fd, &sa, sa.putIP(netip.AddrPortFrom(from, 0)))
}
