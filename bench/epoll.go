package main

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// poller is an epoll instance of a load client's own, for loads that gnet has no means for: many connects begun at once, and sending at a certain instant.
type poller struct {
	fd     int
	events []syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	return &poller{fd, make([]syscall.EpollEvent, 256)}, nil
}

func (p *poller) Close() { _ = syscall.Close(p.fd) }

// edgeTriggered is EPOLLET, which package syscall has with the wrong sign for a uint32.
const edgeTriggered = 1 << 31

// Add watches a socket, edge-triggered, for everything. Its events carry tag.
func (p *poller) Add(s sock, tag int) error {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | edgeTriggered, Fd: int32(tag)}
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, int(s), &e); err != nil {
		return fmt.Errorf("add to epoll: %w", err)
	}
	return nil
}

// sysEpollPwait2 is the number of epoll_pwait2, the same on all architectures. Linux has it since 5.11.
const sysEpollPwait2 = 441

// Wait waits in the kernel for events, for no longer than d, and not at all if d is 0 or less; like the calls of sock it does not tell Go's scheduler, but ends when that sends a signal.
// What it returns is good until the next Wait.
func (p *poller) Wait(d time.Duration) ([]syscall.EpollEvent, error) {
	limit := syscall.NsecToTimespec(int64(max(d, 0)))
	n, _, errno := syscall.RawSyscall6(sysEpollPwait2, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), uintptr(unsafe.Pointer(&limit)), 0, 0)
	switch errno {
	case 0:
		return p.events[:n], nil
	case syscall.EINTR:
		return nil, nil
	default:
		return nil, fmt.Errorf("epoll_pwait2: %w", errno)
	}
}

// begin begins to connect from an address to another, without waiting.
func begin(from, to *inet4) (sock, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	s := sock(fd)
	if err := bindFrom(fd, from); err != nil {
		s.Close()
		return -1, err
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unsafe.Sizeof(*to)); errno != 0 && errno != syscall.EINPROGRESS {
		s.Close()
		return -1, connectError(to, errno)
	}
	return s, nil
}
