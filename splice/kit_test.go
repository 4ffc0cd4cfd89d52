package splice

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"pen/internal/sys"
	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience bounds every wait for the kernel in these tests.
const patience = 10 * time.Second

// pair is two connected non-blocking sockets; what goes into one comes out of the other. The end of the test closes what the test has not closed.
type pair struct {
	a, b         int
	ownsA, ownsB *sys.FD
}

var transports = []struct {
	name string
	open func(testing.TB) pair
}{{"tcp", tcpPair}, {"unix", unixPair}}

func unixPair(t testing.TB) pair {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return newPair(t, fds[0], fds[1])
}

func tcpPair(t testing.TB) pair {
	t.Helper()
	l, err := sys.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), false, 1, 8, sys.Tuning{NoDelay: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l[0].Close()
	addr, errno := sys.LocalAddr(l[0].Int())
	if errno != 0 {
		t.Fatal(errno)
	}
	a, errno := sys.Socket(sys.Inet)
	if errno != 0 {
		t.Fatal(errno)
	}
	if errno := sys.ConnectIP(a, addr); errno != 0 && errno != syscall.EINPROGRESS {
		t.Fatal(errno)
	}
	if errno := (&sys.Tuning{NoDelay: true}).Apply(a); errno != 0 {
		t.Fatal(errno)
	}
	await(t, l[0].Int(), sys.In)
	b, _, errno := sys.Accept(l[0].Int())
	if errno != 0 {
		t.Fatal(errno)
	}
	return newPair(t, a, b)
}

func newPair(t testing.TB, a, b int) pair {
	p := pair{a, b, sys.Own(a), sys.Own(b)}
	t.Cleanup(func() {
		p.ownsA.Close()
		p.ownsB.Close()
	})
	return p
}

// await waits until a descriptor shows one of events (or an error).
func await(t testing.TB, fd int, events uint32) {
	t.Helper()
	ep, err := sys.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer ep.Close()
	if errno := sys.EpollAdd(ep.Int(), fd, 0, events); errno != 0 {
		t.Fatal(errno)
	}
	var got [1]sys.Event
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if n, _ := sys.EpollWaitRaw(ep.Int(), got[:], 5); n > 0 {
			return
		}
	}
	t.Fatalf("fd %d: no event of %#x in %v", fd, events, patience)
}

// sendAll puts p into a socket that has room for it.
func sendAll(t testing.TB, fd int, p []byte) {
	t.Helper()
	for len(p) > 0 {
		n, errno := sys.Send(fd, p)
		if errno != 0 {
			t.Fatalf("send with %d bytes left: %v", len(p), errno)
		}
		p = p[n:]
	}
}

// stuff fills a socket until it takes no more; it returns how much that was.
func stuff(t testing.TB, fd int) (total int) {
	t.Helper()
	block := make([]byte, 64<<10)
	for {
		n, errno := sys.Send(fd, block)
		if errno == syscall.EAGAIN {
			return total
		}
		if errno != 0 {
			t.Fatal(errno)
		}
		total += n
	}
}

// drain takes want bytes out of src into an empty pipe, waiting for them.
func drain(t testing.TB, p *Pipe, src, want int) {
	t.Helper()
	for p.Data < want {
		if _, errno := p.Drain(src, want-p.Data); errno == syscall.EAGAIN {
			await(t, src, sys.In)
		} else if errno != 0 {
			t.Fatal(errno)
		}
	}
}

// recvAll reads want bytes, waiting for them.
func recvAll(t testing.TB, fd, want int) []byte {
	t.Helper()
	buf := make([]byte, want)
	for got := 0; got < want; {
		n, errno := sys.Recv(fd, buf[got:])
		switch {
		case errno == syscall.EAGAIN:
			await(t, fd, sys.In)
		case errno != 0 || n == 0:
			t.Fatalf("recv after %d of %d bytes: n %d, %v", got, want, n, errno)
		}
		got += n
	}
	return buf
}

// hangUp ends a direction: the other end reads what is left, then end of file.
func hangUp(t testing.TB, fd int) {
	t.Helper()
	if errno := sys.ShutWrite(fd); errno != 0 {
		t.Fatal(errno)
	}
}

// pool makes a pool that is closed at the end of the test, and checks that every pipe of it is.
func pool(t testing.TB, max, size int) *Pool {
	t.Helper()
	before := pipeEnds()
	p := NewPool(max, size)
	t.Cleanup(func() {
		p.Close()
		if p.Open() != 0 || p.Idle() != 0 {
			t.Errorf("after Close: %d pipes open, %d idle", p.Open(), p.Idle())
		}
		if n := pipeEnds(); n != before {
			t.Errorf("%d pipe ends open, %d before the test", n, before)
		}
	})
	return p
}

func get(t testing.TB, p *Pool) *Pipe {
	t.Helper()
	pipe := p.Get()
	if pipe == nil {
		t.Fatal("Get gave no pipe")
	}
	if pipe.Data != 0 {
		t.Fatalf("Get gave a pipe with Data %d", pipe.Data)
	}
	return pipe
}

// pipeEnds counts this process's open descriptors that are pipes.
func pipeEnds() (n int) {
	for _, what := range testkit.Descriptors() {
		if strings.HasPrefix(what, "pipe:") {
			n++
		}
	}
	return n
}
