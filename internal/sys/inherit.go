package sys

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Listening returns where a socket that another process has opened listens: an address and port, or the path of a Unix socket. The error says that it is no TCP or Unix stream socket, or does not listen.
func Listening(fd int) (at netip.AddrPort, path string, err error) {
	if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
		return at, "", errors.New("not a stream socket that listens")
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return at, "", os.NewSyscallError("getsockname", err)
	}
	if local, ok := name.(*unix.SockaddrUnix); ok {
		return at, local.Name, nil
	}
	at, _ = LocalAddr(fd)
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol != unix.IPPROTO_TCP || !at.IsValid() { // multipath TCP knows not half of Tuning, and no splice
		return at, "", fmt.Errorf("neither TCP nor a Unix socket (protocol %d)", protocol)
	}
	return at, "", nil
}

// Inherit makes n listeners of those that another process opened and still holds, all at one address. It owns passed from then on, also when it fails, and is all or nothing.
//
// One that is passed is shared by the loops as a Unix socket is: by duplicates. Siblings of our own (SO_REUSEPORT) would have to be opened by the user who opened the first, and what waits in their queues would
// be lost when we end; in the queue of a socket that its opener holds, it waits for the next of us. Several that are passed are siblings already, and are dealt out in turn, in their order. There may not be
// more of them than n: nobody would serve the rest.
func Inherit(passed []*FD, n, backlog int, tuning Tuning) (fds []*FD, err error) {
	fds = passed
	defer func() {
		if err != nil {
			for _, fd := range fds {
				fd.Close()
			}
			fds, err = nil, fmt.Errorf("inherit a listener: %w", err)
		}
	}()
	if len(passed) > n {
		return fds, fmt.Errorf("%d are passed for %d loops: give --loops %d, or pass fewer", len(passed), n, len(passed))
	}
	for _, fd := range passed {
		_, path, err := Listening(fd.Int())
		if err != nil {
			return fds, err
		}
		if err := unix.SetNonblock(fd.Int(), true); err != nil {
			return fds, os.NewSyscallError("fcntl", err)
		}
		if err := unix.Listen(fd.Int(), backlog); err != nil { // a second time: for our backlog
			return fds, os.NewSyscallError("listen", err)
		}
		if path == "" {
			if e := tuning.Renew(fd.Int()); e != 0 {
				return fds, os.NewSyscallError("setsockopt", e)
			}
		}
	}
	for i := len(passed); i < n; i++ {
		d, err := fds[i-len(passed)].Dup()
		if err != nil {
			return fds, os.NewSyscallError("dup", err)
		}
		fds = append(fds, d)
	}
	return fds, nil
}
