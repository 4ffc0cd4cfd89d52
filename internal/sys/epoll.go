package sys

import (
	"encoding/binary"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events as epoll names them.
const (
	In        = unix.EPOLLIN
	Out       = unix.EPOLLOUT
	RdHup     = unix.EPOLLRDHUP
	Hup       = unix.EPOLLHUP
	Err       = unix.EPOLLERR
	Edge      = unix.EPOLLET
	Exclusive = unix.EPOLLEXCLUSIVE
)

// Event is the kernel's epoll_event: Events and, in Fd and Pad, the descriptor and the serial it was registered with.
type Event = unix.EpollEvent

// NewEpoll opens an epoll descriptor.
func NewEpoll() (*FD, error) {
	n, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return Own(n), nil
}

// EpollAdd registers a descriptor. Its events bring the serial back: descriptors are used again, serials need not be.
func EpollAdd(ep, fd int, serial uint16, events uint32) syscall.Errno {
	return epollCtl(ep, unix.EPOLL_CTL_ADD, fd, serial, events)
}

// EpollMod changes what a registered descriptor waits for; it also re-arms an edge that already holds.
func EpollMod(ep, fd int, serial uint16, events uint32) syscall.Errno {
	return epollCtl(ep, unix.EPOLL_CTL_MOD, fd, serial, events)
}

// EpollDel takes a descriptor out.
func EpollDel(ep, fd int) syscall.Errno { return epollCtl(ep, unix.EPOLL_CTL_DEL, fd, 0, 0) }

func epollCtl(ep, op, fd int, serial uint16, events uint32) syscall.Errno {
	ev := Event{Events: events, Fd: int32(fd), Pad: int32(serial)}
	_, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

// EpollWaitRaw waits at most msec milliseconds, for ever if negative, without telling the Go scheduler, which therefore hands nothing off. It holds its P: keep GOMAXPROCS above the number of callers.
// The signals by which a garbage collection or the runtime's monitor (after 10 ms) asks for the P interrupt it (EINTR).
func EpollWaitRaw(ep int, events []Event, msec int) (int, syscall.Errno) {
	r, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(msec), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), 0
}

// EpollWait waits for as long as it takes and gives its P away meanwhile: for an idle loop.
func EpollWait(ep int, events []Event) (int, syscall.Errno) {
	r, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), ^uintptr(0), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), 0
}

// NewEventFD opens the counter other goroutines wake a poller with.
func NewEventFD() (*FD, error) {
	n, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return Own(n), nil
}

// Signal adds one to an eventfd. A full counter (EAGAIN) is a wake-up already: no error to report.
func Signal(efd int) syscall.Errno {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(efd), uintptr(unsafe.Pointer(&one)), 8); e != unix.EINTR {
			if e == unix.EAGAIN {
				e = 0
			}
			return e
		}
	}
}

// NewTimerFD opens a disarmed monotonic timer.
func NewTimerFD() (*FD, error) {
	n, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return Own(n), nil
}

// SetTimer makes a timerfd fire every period; 0 disarms it.
func SetTimer(tfd int, period time.Duration) syscall.Errno {
	ts := unix.NsecToTimespec(int64(period))
	it := unix.ItimerSpec{Interval: ts, Value: ts}
	_, _, e := syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(tfd), 0, uintptr(unsafe.Pointer(&it)), 0, 0, 0)
	return e
}

// ClearCounter reads an eventfd or a timerfd back to zero. A timerfd that is not read counts no further period.
func ClearCounter(fd int) syscall.Errno {
	var b [8]byte
	_, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), 8)
	return e
}
