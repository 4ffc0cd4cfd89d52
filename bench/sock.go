package main

import (
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"unsafe"
)

// sock is a blocking TCP socket. Its calls wait in the kernel without telling Go's scheduler, which saves the load clients about a third of their CPU time per connection against
// ordinary calls, measured with 32 of them. The price: as long as one waits its goroutine keeps a P, and a garbage collection would wait for it too. So it is for a process that
// has a P for each such goroutine and does not collect garbage (see runThreads).
type sock int

// inet4 is an address as the kernel takes it.
type inet4 syscall.RawSockaddrInet4

func toInet4(a netip.AddrPort) inet4 {
	p := a.Port()
	// The kernel wants the port's bytes in network order.
	return inet4{Family: syscall.AF_INET, Port: p>>8 | p<<8, Addr: a.Addr().As4()}
}

func (a inet4) String() string {
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), a.Port>>8|a.Port<<8).String()
}

// Options that package syscall lacks, from include/uapi/linux/in.h.
const ipBindAddressNoPort = 24

// dialSock connects from the address from (its port is ignored) to to.
func dialSock(from, to *inet4) (sock, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	s := sock(fd)
	if err := bindFrom(fd, from); err != nil {
		s.Close()
		return -1, err
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unsafe.Sizeof(*to)); errno != 0 {
		s.Close()
		return -1, connectError(to, errno)
	}
	return s, nil
}

// bindFrom binds fd to an address, and leaves the port to connect, which may then use the same port for several destinations.
func bindFrom(fd int, from *inet4) error {
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1); err != nil {
		return fmt.Errorf("bind %v: %w", from, err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(from)), unsafe.Sizeof(*from)); errno != 0 {
		return fmt.Errorf("bind %v: %w", from, errno)
	}
	return nil
}

func connectError(to *inet4, errno syscall.Errno) error {
	if errno == syscall.EADDRNOTAVAIL {
		return fmt.Errorf("connect %v: %w: all local ports are in use, see sysctl net.ipv4.ip_local_port_range and tcp_tw_reuse", to, errno)
	}
	return fmt.Errorf("connect %v: %w", to, errno)
}

// Read reads what there is, at least one byte. At the end of the stream it returns io.EOF.
func (s sock) Read(b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(s), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return 0, fmt.Errorf("read: %w", errno)
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// ReadFull reads until b is full.
func (s sock) ReadFull(b []byte) error {
	for len(b) > 0 {
		n, err := s.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Write writes head and then rest, all of both, with one system call if it can.
func (s sock) Write(head, rest []byte) error {
	for len(head)+len(rest) > 0 {
		vec := [2]syscall.Iovec{
			{Base: unsafe.SliceData(head), Len: uint64(len(head))},
			{Base: unsafe.SliceData(rest), Len: uint64(len(rest))},
		}
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(s), uintptr(unsafe.Pointer(&vec)), 2)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("write: %w", errno)
		}
		inHead := min(int(n), len(head))
		head, rest = head[inHead:], rest[int(n)-inHead:]
	}
	return nil
}

// Abort makes a call that waits on the socket in another thread return. It does not close.
func (s sock) Abort() { _ = syscall.Shutdown(int(s), syscall.SHUT_RDWR) }

// Close closes the socket; what was written is still sent, and then FIN.
func (s sock) Close() { _ = syscall.Close(int(s)) }
