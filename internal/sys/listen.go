package sys

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tuning is what a TCP socket is given. Set on a listener, the kernel hands it down to every connection accepted from it, so that accepting costs no setsockopt;
// an outgoing connection pays one call per option asked for.
type Tuning struct {
	NoDelay     bool
	Keepalive   time.Duration // idle time before the first probe; 0 = off
	UserTimeout time.Duration // how long sent bytes may stay unacknowledged; 0 = the system's default
}

// keepaliveProbes and the interval (a quarter of the idle time, at least a second) bound how long a vanished peer is kept: idle + 4 × idle/4.
const keepaliveProbes = 4

// Apply sets the options; the first refusal ends it.
func (t *Tuning) Apply(fd int) syscall.Errno {
	var e syscall.Errno
	set := func(level, opt int, value int32) {
		if e == 0 {
			e = setsockoptInt(fd, level, opt, value)
		}
	}
	if t.NoDelay {
		set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if t.Keepalive > 0 {
		idle := max(1, int32(t.Keepalive/time.Second))
		set(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, idle)
		set(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(1, idle/4))
		set(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepaliveProbes)
		set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	if t.UserTimeout > 0 {
		set(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int32(t.UserTimeout/time.Millisecond))
	}
	return e
}

// Renew gives a listener other options than it has, those switched off included, for the connections it accepts from then on.
func (t *Tuning) Renew(fd int) syscall.Errno {
	flag := func(on bool) int32 {
		if on {
			return 1
		}
		return 0
	}
	for _, o := range []struct {
		level, opt int
		value      int32
	}{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, flag(t.NoDelay)},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, flag(t.Keepalive > 0)},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int32(t.UserTimeout / time.Millisecond)},
	} {
		if e := setsockoptInt(fd, o.level, o.opt, o.value); e != 0 {
			return e
		}
	}
	return t.Apply(fd)
}

// SetCongestion gives a TCP socket a congestion control algorithm by its name; ENOENT: the kernel has none of that name. Before the connection begins, since one that paces (bbr) leaves its pacing behind.
func SetCongestion(fd int, name string) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, uintptr(unsafe.Pointer(unsafe.StringData(name))), uintptr(len(name)), 0)
	return e
}

// ListenTCP opens n listeners of one address that share its connections (SO_REUSEPORT), in the order in which a steering program numbers them. An IPv6 address listens dual-stack if dual is set.
// The first binds and listens without SO_REUSEPORT, so that a second process on the same address is refused by the kernel instead of silently sharing clients (PEN.md B15);
// only then does it open the door to its siblings. Not before it listens: two bound sockets do not conflict yet (SO_REUSEADDR), and of two processes starting at once both would get in.
// All or nothing: on error none is left open. Port 0 picks one port for all.
func ListenTCP(addr netip.AddrPort, dual bool, n, backlog int, tuning Tuning) (fds []*FD, err error) {
	defer func() {
		if err != nil {
			for _, fd := range fds {
				fd.Close()
			}
			fds, err = nil, fmt.Errorf("listen %s: %w", addr, err)
		}
	}()
	for i := range n {
		fd, err := bindTCP(addr, dual, i == 0, tuning)
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
		if err := unix.Listen(fd.Int(), backlog); err != nil {
			return fds, os.NewSyscallError("listen", err)
		}
		if i == 0 {
			if err := share(fd.Int()); err != nil {
				return fds, err
			}
		}
		if addr.Port() == 0 {
			local, e := LocalAddr(fd.Int())
			if e != 0 {
				return fds, os.NewSyscallError("getsockname", e)
			}
			addr = netip.AddrPortFrom(addr.Addr(), local.Port())
		}
	}
	return fds, nil
}

func bindTCP(addr netip.AddrPort, dual, first bool, tuning Tuning) (fd *FD, err error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	n, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	fd = Own(n)
	defer func() {
		if err != nil {
			fd.Close()
		}
	}()
	if err := unix.SetsockoptInt(n, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fd, os.NewSyscallError("setsockopt SO_REUSEADDR", err)
	}
	if family == unix.AF_INET6 {
		only := 1
		if dual {
			only = 0
		}
		if err := unix.SetsockoptInt(n, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return fd, os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	if !first {
		if err := share(n); err != nil {
			return fd, err
		}
	}
	var sa sockaddr
	if e := bindRaw(n, &sa, sa.putIP(addr)); e != 0 {
		return fd, os.NewSyscallError("bind", e)
	}
	if e := tuning.Apply(n); e != 0 {
		return fd, os.NewSyscallError("setsockopt", e)
	}
	return fd, nil
}

func share(fd int) error {
	return os.NewSyscallError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// ListenUnix opens one listener on a path and n-1 duplicates of it (Unix sockets have no SO_REUSEPORT). A socket file nobody listens on any more is replaced; one that answers is refused.
func ListenUnix(path string, n, backlog int) (fds []*FD, err error) {
	defer func() {
		if err != nil {
			for _, fd := range fds {
				fd.Close()
			}
			fds, err = nil, fmt.Errorf("listen %s: %w", path, err)
		}
	}()
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	fds = append(fds, Own(s))
	var sa sockaddr
	size, ok := sa.putPath(path)
	if !ok {
		return fds, os.NewSyscallError("bind", unix.ENAMETOOLONG)
	}
	e := bindRaw(s, &sa, size)
	if e == unix.EADDRINUSE && abandoned(path) {
		if err := unix.Unlink(path); err != nil {
			return fds, os.NewSyscallError("unlink", err)
		}
		e = bindRaw(s, &sa, size)
	}
	if e != 0 {
		return fds, os.NewSyscallError("bind", e)
	}
	defer func() {
		if err != nil { // the name is ours by now
			unix.Unlink(path)
		}
	}()
	if err := unix.Listen(s, backlog); err != nil {
		return fds, os.NewSyscallError("listen", err)
	}
	for range n - 1 {
		d, err := fds[0].Dup()
		if err != nil {
			return fds, os.NewSyscallError("dup", err)
		}
		fds = append(fds, d)
	}
	return fds, nil
}

// abandoned tells whether a path is a socket file that no process has any more: what a kill -9 leaves behind. Anything that is not a socket is never touched.
// It asks with a datagram socket: a stream socket, also one that is bound and does not listen yet, refuses that for its type before it looks at its queue, so that nothing is left in the queue
// of a live one, and a full queue makes no difference.
func abandoned(path string) bool {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer Close(fd)
	return ConnectPath(fd, path) == unix.ECONNREFUSED
}
