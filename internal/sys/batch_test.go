package sys

import (
	"bytes"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openBatch opens one that is closed at the end of the test.
func openBatch(t *testing.T, messages, bytes int) *Batch {
	t.Helper()
	b, err := OpenBatch(messages, bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// pair is two ends of a stream.
func streamPair(t *testing.T) (near, far int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func (b *Batch) put(fd int, message []byte) { b.Add(fd, copy(b.Room(), message)) }

// Lists of every length, again and again so that the queues go round, arrive where they should.
func TestBatchSendsEachItsOwn(t *testing.T) {
	const most = 16
	b := openBatch(t, most, 1<<20)
	var near, far [most]int
	for i := range most {
		near[i], far[i] = streamPair(t)
	}
	for round := range 5 * most {
		n := round%most + 1
		for i := range n {
			b.put(near[i], fmt.Appendf(nil, "%*d", 1+13*i, round*100+i))
		}
		if b.Len() != n {
			t.Fatalf("%d on the list, want %d", b.Len(), n)
		}
		sent := b.Submit()
		if len(sent) != n || b.Len() != 0 {
			t.Fatalf("%d answers for %d messages, %d left", len(sent), n, b.Len())
		}
		for i, s := range sent {
			want := fmt.Appendf(nil, "%*d", 1+13*i, round*100+i)
			got := make([]byte, 1000)
			m, e := Recv(far[i], got)
			if s.Errno != 0 || s.N != len(want) || e != 0 || !bytes.Equal(got[:m], want) || !bytes.Equal(s.Message, want) {
				t.Fatalf("round %d, %d of %d: %d bytes, %v; came %q, %v; want %q", round, i, n, s.N, s.Errno, got[:m], e, want)
			}
		}
	}
}

// What a socket does not take, and why, is told as Send tells it.
func TestBatchTellsWhatSendTells(t *testing.T) {
	for _, alone := range []bool{true, false} {
		b := openBatch(t, 4, 1<<20)
		submit := func(fd int, message []byte) Sent {
			other, _ := streamPair(t)
			if b.put(fd, message); !alone {
				b.put(other, []byte("beside it"))
			}
			return b.Submit()[0]
		}
		near, far := streamPair(t)
		large := make([]byte, 1<<19)
		first := submit(near, large)
		if first.Errno != 0 || first.N <= 0 || first.N >= len(large) {
			t.Errorf("alone %v: a message of %d bytes for a small socket: %d, %v", alone, len(large), first.N, first.Errno)
		}
		for { // until it is full to the last byte
			if _, e := Send(near, large); e == syscall.EAGAIN {
				break
			}
		}
		if s := submit(near, []byte("more")); s.N != 0 || s.Errno != syscall.EAGAIN {
			t.Errorf("alone %v: a full socket: %d, %v", alone, s.N, s.Errno)
		}
		unix.Close(far)
		if s := submit(near, []byte("more")); s.N != 0 || s.Errno != syscall.EPIPE {
			t.Errorf("alone %v: a socket whose peer is gone: %d, %v", alone, s.N, s.Errno)
		}
		if s := submit(-1, []byte("more")); s.N != 0 || s.Errno != syscall.EBADF {
			t.Errorf("alone %v: no socket: %d, %v", alone, s.N, s.Errno)
		}
	}
}

// The ring can connect and send, and nothing else, whoever has its descriptor.
func TestBatchCanOnlyConnectAndSend(t *testing.T) {
	b := openBatch(t, 4, 4096)
	near, _ := streamPair(t)
	b.put(near, []byte("a"))
	b.put(near, []byte("b"))
	b.entries[(*b.tail+1)&b.mask].op = 19 // IORING_OP_CLOSE
	if sent := b.Submit(); sent[0].N != 1 || sent[1].Errno != syscall.EACCES {
		t.Errorf("a send and a close: %v", sent)
	}
	if e := b.register(registerRestrictions, nil, 0); e == nil {
		t.Error("the restrictions can be changed")
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	b := openBatch(t, 4, 4096)
	near, far := streamPair(t)
	other, _ := streamPair(t)
	drain := make([]byte, 100)
	if n := testing.AllocsPerRun(50, func() {
		b.put(near, []byte("a"))
		b.put(other, []byte("b"))
		b.Submit()
		Recv(far, drain)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOpenBatchLeavesNothing(t *testing.T) {
	if b, err := OpenBatch(3, 0); err == nil || b != nil { // the kernel rounds 3 up
		t.Errorf("three messages: %v", err)
	}
	if b, err := OpenBatch(1<<20, 4096); err == nil || b != nil {
		t.Errorf("a million messages: %v", err)
	}
}

// A list that the kernel refuses, here for want of a ring, goes message by message.
func TestBatchThatIsRefusedIsSent(t *testing.T) {
	b := openBatch(t, 4, 4096)
	ring := b.ring
	b.ring = Own(-1)
	defer func() { b.ring = ring }()
	for round := range 6 {
		var far [2]int
		for i := range far {
			var near int
			near, far[i] = streamPair(t)
			b.put(near, fmt.Appendf(nil, "%d.%d", round, i))
		}
		sent := b.Submit()
		for i, fd := range far {
			got := make([]byte, 100)
			n, e := Recv(fd, got)
			if want := fmt.Sprintf("%d.%d", round, i); sent[i].N != len(want) || e != 0 || string(got[:n]) != want {
				t.Errorf("%d.%d: %v; came %q, %v", round, i, sent[i], got[:n], e)
			}
		}
	}
}

// batchListener is a TCP listener with room for so many that wait, and its address.
func batchListener(t *testing.T, at string, backlog int) (fd *FD, addr netip.AddrPort) {
	t.Helper()
	fds, err := ListenTCP(netip.MustParseAddrPort(at), false, 1, backlog, Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fds[0].Close() })
	addr, _ = LocalAddr(fds[0].Int())
	return fds[0], addr
}

// A connect to a server of this machine stands when Submit returns, and its first message is there; so it is where the kernel refuses the list, but that nobody knows yet that it stands.
func TestBatchConnects(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, n := range []int{1, 2, 7} {
			for _, refused := range []bool{false, true} {
				listener, to := batchListener(t, at, 100)
				b := openBatch(t, 16, 1<<20)
				ring := b.ring
				if refused {
					b.ring = Own(-1)
				}
				for i := range n {
					fd := socket(t, to).Int()
					if b.AddConnect(fd, to); i%2 == 1 {
						b.put(fd, fmt.Appendf(nil, "hello %d", i))
					}
				}
				stood := syscall.Errno(0)
				if refused {
					stood = syscall.EINPROGRESS
				}
				for _, s := range b.Submit() {
					if s.Message == nil && s.Errno != stood || s.Message != nil && s.N != len(s.Message) {
						t.Errorf("%s, %d, refused %v: %q told %d, %v", at, n, refused, s.Message, s.N, s.Errno)
					}
				}
				b.ring = ring
				for i := range n {
					fd, _, e := Accept(listener.Int())
					if e != 0 {
						t.Fatalf("%s, %d: accept %d: %v", at, n, i, e)
					}
					got := make([]byte, 100)
					m, e := Recv(fd, got)
					if want := fmt.Sprintf("hello %d", i); i%2 == 1 && string(got[:m]) != want || i%2 == 0 && e != syscall.EAGAIN {
						t.Errorf("%s, %d: the server got %q, %v", at, n, got[:m], e)
					}
					Close(fd)
				}
			}
		}
	}
}

// Who does not answer is not waited for, and the connect goes on by itself: the kernel would have the ring wait two minutes for it.
func TestBatchWaitsForNoServer(t *testing.T) {
	listener, to := batchListener(t, "127.0.0.1:0", 1)
	_, well := batchListener(t, "127.0.0.1:0", 100)
	b := openBatch(t, 16, 1<<20)
	var waits int
	for range 4 { // until nobody else gets in
		waits = socket(t, to).Int()
		ConnectIP(waits, to)
	}
	for round := range 3 {
		late, other := socket(t, to).Int(), socket(t, well).Int()
		b.AddConnect(late, to)
		b.put(late, []byte("too early"))
		b.AddConnect(other, well)
		b.put(other, []byte("in time"))
		began := time.Now()
		sent := b.Submit()
		if took := time.Since(began); took > time.Second/2 {
			t.Errorf("round %d took %v", round, took)
		}
		want := []syscall.Errno{syscall.EINPROGRESS, syscall.EAGAIN, 0, 0}
		for i, s := range sent {
			if s.Errno != want[i] {
				t.Errorf("round %d, %d: %v, want %v", round, i, s.Errno, want[i])
			}
		}
	}
	if e := ConnectIP(waits, to); e != syscall.EALREADY {
		t.Fatalf("a connect beside it stands as %v", e)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if fd, _, e := Accept(listener.Int()); e == 0 {
			Close(fd)
		}
		if e := ConnectIP(waits, to); e == 0 || e == syscall.EISCONN {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the connect never stands")
		}
	}
}

// A connect that fails is told as ConnectIP tells it, to it or to its message.
func TestBatchTellsWhyAConnectFails(t *testing.T) {
	closed, to := batchListener(t, "127.0.0.1:0", 1)
	closed.Close()
	for _, test := range []struct {
		to   netip.AddrPort
		want syscall.Errno
	}{
		{to, syscall.ECONNREFUSED},
		{netip.MustParseAddrPort("255.255.255.255:80"), syscall.ENETUNREACH},
		{netip.MustParseAddrPort("[::1]:1"), syscall.EAFNOSUPPORT},
	} {
		for _, greets := range []bool{false, true} {
			b := openBatch(t, 4, 1<<20)
			fd := socket(t, netip.MustParseAddrPort("127.0.0.1:1")).Int()
			if b.AddConnect(fd, test.to); greets {
				b.put(fd, []byte("hello"))
			}
			sent := b.Submit()
			if got := sent[0].Errno; got != test.want {
				t.Errorf("%v, greeted %v: %v, want %v", test.to, greets, got, test.want)
			}
			if greets && (sent[1].N != 0 || sent[1].Errno != syscall.EAGAIN) {
				t.Errorf("%v: the message was told %d, %v", test.to, sent[1].N, sent[1].Errno)
			}
		}
	}
}
