package sys

import (
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience bounds every wait for the kernel in these tests.
const patience = 10 * time.Second

var (
	anyPort4 = netip.MustParseAddrPort("127.0.0.1:0")
	anyPort6 = netip.MustParseAddrPort("[::1]:0")
	anyDual  = netip.MustParseAddrPort("[::]:0")
)

// listen opens a group of listeners that the end of the test closes, and returns where they listen.
func listen(t testing.TB, addr netip.AddrPort, dual bool, n, backlog int, tuning Tuning) ([]*FD, netip.AddrPort) {
	t.Helper()
	fds, err := ListenTCP(addr, dual, n, backlog, tuning)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range fds {
			fd.Close()
		}
	})
	return fds, localAddr(t, fds[0].Int())
}

func localAddr(t testing.TB, fd int) netip.AddrPort {
	t.Helper()
	addr, e := LocalAddr(fd)
	if e != 0 {
		t.Fatal(e)
	}
	return addr
}

// owned makes the end of the test close a descriptor, unless the test does.
func owned(t testing.TB, fd int) *FD {
	f := Own(fd)
	t.Cleanup(func() { f.Close() })
	return f
}

// socket opens a socket of the address's family, closed at the end of the test.
func socket(t testing.TB, to netip.AddrPort) *FD {
	t.Helper()
	family := Inet
	if to.Addr().Is6() {
		family = Inet6
	}
	fd, e := Socket(family)
	if e != 0 {
		t.Fatal(e)
	}
	return owned(t, fd)
}

// dial connects to an address and waits until the connection stands.
func dial(t testing.TB, to netip.AddrPort) *FD {
	t.Helper()
	return dialFrom(t, netip.Addr{}, to)
}

// dialFrom is dial with a source address.
func dialFrom(t testing.TB, from netip.Addr, to netip.AddrPort) *FD {
	t.Helper()
	fd := socket(t, to)
	if from.IsValid() {
		var sa sockaddr
		if e := bindRaw(fd.Int(), &sa, sa.putIP(netip.AddrPortFrom(from, 0))); e != 0 {
			t.Fatal(e)
		}
	}
	if e := ConnectIP(fd.Int(), to); e != 0 && e != syscall.EINPROGRESS {
		t.Fatal(e)
	}
	if !shows(t, fd.Int(), Out, patience) {
		t.Fatalf("connect %s: still under way", to)
	}
	if e := ConnectIP(fd.Int(), to); e != 0 && e != syscall.EISCONN {
		t.Fatalf("connect %s: %v", to, e)
	}
	return fd
}

// accept waits for a connection and takes it.
func accept(t testing.TB, listener int) (*FD, netip.AddrPort) {
	t.Helper()
	if !shows(t, listener, In, patience) {
		t.Fatal("nobody to accept")
	}
	fd, peer, e := Accept(listener)
	if e != 0 {
		t.Fatal(e)
	}
	return owned(t, fd), peer
}

// tcpPair is the client's and the server's end of one connection.
func tcpPair(t testing.TB, tuning Tuning) (client, server *FD) {
	t.Helper()
	fds, addr := listen(t, anyPort4, false, 1, 8, tuning)
	client = dial(t, addr)
	server, _ = accept(t, fds[0].Int())
	return client, server
}

// shows waits until a descriptor shows one of events (or an error); false if it does not within the limit.
func shows(t testing.TB, fd int, events uint32, limit time.Duration) bool {
	t.Helper()
	ep := poller(t)
	defer ep.Close()
	if e := EpollAdd(ep.Int(), fd, 0, events); e != 0 {
		t.Fatal(e)
	}
	_, ok := next(ep.Int(), limit)
	return ok
}

func poller(t testing.TB) *FD {
	t.Helper()
	ep, err := NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ep.Close() })
	return ep
}

// next returns one event of a poller; false if there is none within the limit.
func next(ep int, limit time.Duration) (Event, bool) {
	var got [1]Event
	for deadline := time.Now().Add(limit); ; {
		if n, _ := EpollWaitRaw(ep, got[:], 1); n > 0 {
			return got[0], true
		}
		if time.Now().After(deadline) {
			return Event{}, false
		}
		runtime.Gosched()
	}
}

// recv waits for something to read.
func recv(t testing.TB, fd int, p []byte) (int, syscall.Errno) {
	t.Helper()
	if !shows(t, fd, In, patience) {
		t.Fatal("nothing to read")
	}
	return Recv(fd, p)
}

func getInt(t testing.TB, fd, level, opt int) int {
	t.Helper()
	v, err := unix.GetsockoptInt(fd, level, opt)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantFlags checks that a descriptor is non-blocking and close-on-exec.
func wantFlags(t testing.TB, fd int) {
	t.Helper()
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	if status&unix.O_NONBLOCK == 0 || own&unix.FD_CLOEXEC == 0 {
		t.Errorf("fd %d: non-blocking %v, close-on-exec %v", fd, status&unix.O_NONBLOCK != 0, own&unix.FD_CLOEXEC != 0)
	}
}

// isOpen tells whether a number is an open descriptor.
func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// leaveFree lowers the limit on descriptors until the end of the test, so that exactly n more can be opened.
func leaveFree(t testing.TB, n int) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limit := 0
	for free := 0; free < n || isOpen(limit); limit++ {
		if !isOpen(limit) {
			free++
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(limit), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
}

// wantNothingOpened returns a check that no descriptor has been opened since.
func wantNothingOpened(t testing.TB) func() {
	before := testkit.Descriptors()
	return func() {
		t.Helper()
		for n, what := range testkit.Descriptors() {
			fd, _ := strconv.Atoi(n)
			if before[n] != what && isOpen(fd) {
				t.Errorf("fd %s is left open: %s", n, what)
			}
		}
	}
}

// onThread runs f on a thread of its own, which ends with it: whatever f does to the thread dies there.
// The process's first thread will not do, since Go parks it for ever instead of ending it: if the goroutine meets that one, it keeps it busy and sends another.
func onThread(t testing.TB, f func() error) {
	t.Helper()
	done, finished := make(chan error), make(chan struct{})
	var run func()
	run = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			go run()
			<-finished
			return
		}
		done <- f() // and never unlocked
	}
	go run()
	err := <-done
	close(finished)
	if err != nil {
		t.Fatal(err)
	}
}
