package sys

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAccept(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort4, anyPort6} {
		fds, addr := listen(t, any, false, 1, 8, Tuning{})
		if fd, peer, e := Accept(fds[0].Int()); fd != -1 || peer.IsValid() || e != syscall.EAGAIN {
			t.Errorf("with nobody there: %d, %s, %v", fd, peer, e)
		}
		client := dial(t, addr)
		server, peer := accept(t, fds[0].Int())
		if want := localAddr(t, client.Int()); peer != want {
			t.Errorf("the peer is %s, want %s", peer, want)
		}
		if local := localAddr(t, server.Int()); local != addr {
			t.Errorf("accepted on %s, want %s", local, addr)
		}
		wantFlags(t, client.Int())
		wantFlags(t, server.Int())
	}
	if fd, _, e := Accept(-1); fd != -1 || e != syscall.EBADF {
		t.Errorf("accept on nothing: %d, %v", fd, e)
	}
}

func TestFaultsAreBelieved(t *testing.T) {
	fds, addr := listen(t, anyPort4, false, 1, 8, Tuning{})
	dial(t, addr)
	idle := socket(t, addr)
	t.Cleanup(func() { Fault.Accept, Fault.Socket, Fault.Connect, Fault.Pipe = nil, nil, nil, nil })

	answer := syscall.ENOBUFS
	f := func() syscall.Errno { return answer }
	Fault.Accept, Fault.Socket, Fault.Connect, Fault.Pipe = f, f, f, f
	check := wantNothingOpened(t)
	if fd, _, e := Accept(fds[0].Int()); fd != -1 || e != answer {
		t.Errorf("accept: %d, %v", fd, e)
	}
	if fd, e := Socket(Inet); fd != -1 || e != answer {
		t.Errorf("socket: %d, %v", fd, e)
	}
	if e := ConnectIP(idle.Int(), addr); e != answer {
		t.Errorf("connect: %v", e)
	}
	if e := ConnectPath(idle.Int(), "/nowhere"); e != answer {
		t.Errorf("connect to a path: %v", e)
	}
	if r, w, size, e := Pipe(4096); r != -1 || w != -1 || size != 0 || e != answer {
		t.Errorf("pipe: %d, %d, %d, %v", r, w, size, e)
	}
	check()

	answer = 0 // a hook with nothing to say lets the kernel speak
	accept(t, fds[0].Int())
}

func TestConnectStands(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort4, anyPort6} {
		_, addr := listen(t, any, false, 1, 8, Tuning{})
		fd := socket(t, addr)
		if e := ConnectIP(fd.Int(), addr); e != syscall.EINPROGRESS {
			t.Errorf("first: %v, want EINPROGRESS", e)
		}
		shows(t, fd.Int(), Out, patience)
		for i, want := range []syscall.Errno{0, syscall.EISCONN, syscall.EISCONN} {
			if e := ConnectIP(fd.Int(), addr); e != want {
				t.Errorf("question %d about a connection that stands: %v, want %v", i+1, e, want)
			}
		}
	}
}

// refusing returns an address nobody listens on: a bound socket holds the port.
func refusing(t testing.TB) netip.AddrPort {
	fd := socket(t, anyPort4)
	var sa sockaddr
	if e := bindRaw(fd.Int(), &sa, sa.putIP(anyPort4)); e != 0 {
		t.Fatal(e)
	}
	return localAddr(t, fd.Int())
}

func TestConnectRefused(t *testing.T) {
	to := refusing(t)
	fd := socket(t, to)
	if e := ConnectIP(fd.Int(), to); e != syscall.EINPROGRESS {
		t.Fatalf("first: %v, want EINPROGRESS", e)
	}
	shows(t, fd.Int(), Out, patience)
	if e := ConnectIP(fd.Int(), to); e != syscall.ECONNREFUSED {
		t.Errorf("second: %v, want ECONNREFUSED", e)
	}
	// The answer has been given; asking once more is a new attempt, on the same socket.
	if e := ConnectIP(fd.Int(), to); e != syscall.EINPROGRESS {
		t.Errorf("third: %v, want EINPROGRESS", e)
	}
}

// SO_ERROR and a second connect compete for the same errno: whoever comes second does not hear the reason any more.
func TestPendingErrorTakesTheAnswer(t *testing.T) {
	to := refusing(t)
	fd := socket(t, to)
	if e := PendingError(fd.Int()); e != 0 {
		t.Errorf("of a fresh socket: %v", e)
	}
	ConnectIP(fd.Int(), to)
	shows(t, fd.Int(), Out, patience)
	for _, want := range []syscall.Errno{syscall.ECONNREFUSED, 0} {
		if e := PendingError(fd.Int()); e != want {
			t.Errorf("pending: %v, want %v", e, want)
		}
	}
	if e := ConnectIP(fd.Int(), to); e != syscall.ECONNABORTED {
		t.Errorf("connect after SO_ERROR was taken: %v, want ECONNABORTED", e)
	}
	if e := PendingError(-1); e != syscall.EBADF {
		t.Errorf("of nothing: %v", e)
	}
}

// A listener with a full backlog drops SYNs: the connect stays under way, and every question is answered so, until room or a reset changes the answer (after the kernel's retransmission, 1 s).
func TestConnectToFullBacklog(t *testing.T) {
	const backlog = 1
	for name, test := range map[string]struct {
		end  func(t *testing.T, listener *FD)
		want syscall.Errno
	}{
		"then room":        {func(t *testing.T, l *FD) { accept(t, l.Int()) }, 0},
		"then no listener": {func(t *testing.T, l *FD) { l.Close() }, syscall.ECONNREFUSED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fds, addr := listen(t, anyPort4, false, 1, backlog, Tuning{})
			for range backlog + 1 {
				dial(t, addr)
			}
			fd := socket(t, addr)
			if e := ConnectIP(fd.Int(), addr); e != syscall.EINPROGRESS {
				t.Fatalf("first: %v, want EINPROGRESS", e)
			}
			if shows(t, fd.Int(), Out, 50*time.Millisecond) {
				t.Fatal("connected beyond the backlog")
			}
			for range 3 {
				if e := ConnectIP(fd.Int(), addr); e != syscall.EALREADY {
					t.Fatalf("while the backlog is full: %v, want EALREADY", e)
				}
			}
			test.end(t, fds[0])
			if !shows(t, fd.Int(), Out, patience) {
				t.Fatal("still under way")
			}
			if e := ConnectIP(fd.Int(), addr); e != test.want {
				t.Errorf("at the end: %v, want %v", e, test.want)
			}
		})
	}
}

func TestConnectPath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	fds := listenUnix(t, path, 1, 0)
	fd := dialUnix(t, path)
	// The kernel looks at the listener before it looks at the socket: a connected one is not asked again.
	if e := ConnectPath(fd.Int(), path); e != syscall.EAGAIN {
		t.Errorf("a second time, with a full backlog: %v, want EAGAIN", e)
	}

	n, e := Socket(Local)
	if e != 0 {
		t.Fatal(e)
	}
	owned(t, n)
	for range 2 {
		if e := ConnectPath(n, path); e != syscall.EAGAIN {
			t.Fatalf("with a full backlog: %v, want EAGAIN", e)
		}
	}
	server, _ := accept(t, fds[0].Int())
	if e := ConnectPath(fd.Int(), path); e != syscall.EISCONN {
		t.Errorf("a second time: %v, want EISCONN", e)
	}
	if e := ConnectPath(n, path); e != 0 {
		t.Errorf("with room again: %v", e)
	}
	Send(fd.Int(), []byte("x"))
	if got, e := recv(t, server.Int(), make([]byte, 8)); got != 1 || e != 0 {
		t.Errorf("received %d, %v", got, e)
	}

	fds[0].Close()
	other, e := Socket(Local)
	if e != 0 {
		t.Fatal(e)
	}
	owned(t, other)
	for to, want := range map[string]syscall.Errno{
		path:                      syscall.ECONNREFUSED,
		filepath.Join(dir, "no"):  syscall.ENOENT,
		strings.Repeat("x", 108):  syscall.ENAMETOOLONG,
		strings.Repeat("x", 4096): syscall.ENAMETOOLONG,
	} {
		if e := ConnectPath(other, to); e != want {
			t.Errorf("connect to %.20q: %v, want %v", to, e, want)
		}
	}
}

func TestResetOnClose(t *testing.T) {
	client, server := tcpPair(t, Tuning{})
	if e := ResetOnClose(server.Int()); e != 0 {
		t.Fatal(e)
	}
	server.Close()
	if n, e := recv(t, client.Int(), make([]byte, 1)); n != 0 || e != syscall.ECONNRESET {
		t.Errorf("the peer reads %d, %v; want ECONNRESET", n, e)
	}
	if n, e := Send(client.Int(), []byte("x")); n != 0 || e != syscall.EPIPE {
		t.Errorf("the peer writes %d, %v; want EPIPE, and no signal", n, e)
	}
}

func TestShutWrite(t *testing.T) {
	client, server := tcpPair(t, Tuning{})
	buf := make([]byte, 8)
	if e := ShutWrite(server.Int()); e != 0 {
		t.Fatal(e)
	}
	if n, e := recv(t, client.Int(), buf); n != 0 || e != 0 {
		t.Errorf("the peer reads %d, %v; want end of file", n, e)
	}
	if n, e := Send(client.Int(), []byte("still")); n != 5 || e != 0 {
		t.Errorf("the peer writes %d, %v", n, e)
	}
	if n, e := recv(t, server.Int(), buf); string(buf[:n]) != "still" || e != 0 {
		t.Errorf("read after the shutdown: %q, %v", buf[:n], e)
	}
	if n, e := Send(server.Int(), []byte("x")); n != 0 || e != syscall.EPIPE {
		t.Errorf("write after the shutdown: %d, %v", n, e)
	}
	if e := ShutWrite(socket(t, anyPort4).Int()); e != syscall.ENOTCONN {
		t.Errorf("of a socket without connection: %v", e)
	}
}

func TestTuningIsInherited(t *testing.T) {
	tuning := Tuning{NoDelay: true, Keepalive: 40 * time.Second, UserTimeout: 1500 * time.Millisecond}
	_, accepted := tcpPair(t, tuning)
	_, plain := tcpPair(t, Tuning{})
	applied := socket(t, anyPort4)
	if e := tuning.Apply(applied.Int()); e != 0 {
		t.Fatal(e)
	}
	short := socket(t, anyPort4)
	if e := (&Tuning{Keepalive: time.Millisecond}).Apply(short.Int()); e != 0 {
		t.Fatal(e)
	}
	for _, test := range []struct {
		name                                       string
		fd                                         *FD
		nodelay, keepalive, idle, interval, probes int
		userTimeout                                int // ms
	}{
		{"accepted", accepted, 1, 1, 40, 10, 4, 1500},
		{"applied", applied, 1, 1, 40, 10, 4, 1500},
		{"accepted untuned", plain, 0, 0, -1, -1, -1, 0},
		{"a keepalive under the kernel's second", short, 0, 1, 1, 1, 4, 0},
	} {
		for _, o := range []struct {
			name             string
			level, opt, want int
		}{
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, test.nodelay},
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, test.keepalive},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, test.idle},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, test.interval},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, test.probes},
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, test.userTimeout},
		} {
			if got := getInt(t, test.fd.Int(), o.level, o.opt); o.want >= 0 && got != o.want {
				t.Errorf("%s: %s is %d, want %d", test.name, o.name, got, o.want)
			}
		}
	}
	if e := tuning.Apply(-1); e != syscall.EBADF {
		t.Errorf("applied to nothing: %v", e)
	}
}

func TestAddressesThereAndBack(t *testing.T) {
	for _, s := range []string{"127.0.0.1:80", "255.255.255.255:65535", "[::1]:1", "[2001:db8::1:2]:443", "0.0.0.0:0", "[::]:258"} {
		want := netip.MustParseAddrPort(s)
		var sa sockaddr
		sa.putIP(want)
		if got := sa.ip(); got != want {
			t.Errorf("%s comes back as %s", want, got)
		}
	}
	var sa sockaddr
	sa.putIP(netip.MustParseAddrPort("[::ffff:127.0.0.9]:80"))
	if got := fmt.Sprint(sa.ip()); got != "127.0.0.9:80" {
		t.Errorf("a v4-mapped address comes back as %s", got)
	}
	for zone, want := range map[string]uint32{"": 0, "7": 7, "lo": 1, "nosuchif": 0} {
		if got := zoneID(zone); got != want {
			t.Errorf("zone %q is interface %d, want %d", zone, got, want)
		}
	}
}

// PEN.md B13: a source address took a port of its own with it, so that later connects could fail with EADDRINUSE.
func TestBindSourceLeavesThePortToTheConnect(t *testing.T) {
	_, l := listen(t, anyPort4, false, 1, 8, Tuning{})
	for _, from := range []string{"127.0.0.9", "127.0.0.10"} {
		fd := socket(t, l).Int()
		if e := BindSource(fd, netip.MustParseAddr(from), false); e != 0 {
			t.Fatalf("bind %s: %v", from, e)
		}
		if at, _ := LocalAddr(fd); at.Port() != 0 || at.Addr() != netip.MustParseAddr(from) {
			t.Errorf("bound to %v before the connect, expected %s and no port yet", at, from)
		}
		if e := ConnectIP(fd, l); e != 0 && e != syscall.EINPROGRESS {
			t.Fatalf("connect: %v", e)
		}
		if at, _ := LocalAddr(fd); at.Port() == 0 || at.Addr() != netip.MustParseAddr(from) {
			t.Errorf("connected from %v, expected %s and a port", at, from)
		}
	}
}

// A socket whose connection is over on both sides can be connected again, to somewhere else, and keeps its options.
func TestDisconnect(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort4, anyPort6} {
		var client *FD
		for round := range 3 {
			fds, addr := listen(t, any, false, 1, 8, Tuning{})
			if round == 0 {
				client = socket(t, addr)
				if e := setsockoptInt(client.Int(), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); e != 0 {
					t.Fatal(e)
				}
			}
			if e := ConnectIP(client.Int(), addr); e != syscall.EINPROGRESS {
				t.Fatalf("connect, round %d: %v", round, e)
			}
			server, _ := accept(t, fds[0].Int())
			shows(t, client.Int(), Out, patience)
			if e := ShutWrite(client.Int()); e != 0 {
				t.Fatal(e)
			}
			server.Close()
			if n, e := recv(t, client.Int(), make([]byte, 1)); n != 0 || e != 0 {
				t.Fatalf("the end is read as %d, %v", n, e)
			}
			if n, e := Unsent(client.Int()); n != 0 || e != 0 {
				t.Errorf("%d bytes are unsent, %v", n, e)
			}
			if e := Disconnect(client.Int()); e != 0 {
				t.Errorf("disconnect: %v", e)
			}
			if getInt(t, client.Int(), unix.IPPROTO_TCP, unix.TCP_NODELAY) != 1 || PendingError(client.Int()) != 0 {
				t.Error("an option is gone, or an error has come")
			}
		}
	}
	if e := Disconnect(-1); e != syscall.EBADF {
		t.Errorf("of no socket: %v", e)
	}
}
