package loop

import (
	"bytes"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// What the client says first goes out with the connect, and to the next server in full if the first turns out not to be there.
func TestFirstBytesGoToTheServerThatTakesThem(t *testing.T) {
	for name, first := range map[string]func(t *testing.T) string{"refusing": refusing, "silent": blackHole} {
		good := newFarm(t)
		h := newHand(t, []string{first(t), good.addr}, func(_ *Config, p *balance.Plan) { p.Prio, p.ConnectTimeout = true, 50*time.Millisecond })
		client := h.dial()
		question := bytes.Repeat([]byte("question "), 100)
		client.send(question)
		h.accept()
		if name == "silent" && h.only().state != connecting {
			t.Fatalf("%s: state %d", name, h.only().state)
		}
		h.until(func() bool { return h.only().state == forwarding }, "the next server is connected")
		h.calm()
		server := good.take()
		if got, e := server.recv(); !bytes.Equal(got, question) || e != syscall.EAGAIN {
			t.Errorf("%s: the server got %d bytes of %d, then %v", name, len(got), len(question), e)
		}
		server.send([]byte("answer"))
		h.calm()
		if got, _ := client.recv(); string(got) != "answer" {
			t.Errorf("%s: the client got %q", name, got)
		}
		if n := h.totals().Counts[account.Stale]; n != 0 {
			t.Errorf("%s: %d stale events", name, n)
		}
	}
}

// On loopback a connection is under way to its server before accept returns, with nothing asked and nothing waited for.
func TestFirstBytesAreSentWithTheAccept(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	client := h.dial()
	client.send([]byte("question"))
	h.accept()
	if h.only().state != forwarding {
		t.Errorf("state %d", h.only().state)
	}
	if got, _ := f.take().recv(); string(got) != "question" {
		t.Errorf("the server got %q", got)
	}
}

// A server that speaks first need not wait for its client.
func TestServerThatSpeaksFirst(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	client := h.dial()
	h.accept()
	server := f.take()
	server.send([]byte("220 ready"))
	h.calm()
	if got, _ := client.recv(); string(got) != "220 ready" {
		t.Errorf("the client got %q", got)
	}
}

// A client whose bytes were read and could not be given to anybody is told by RST, as if they had never been read.
func TestClientOfNoServerIsReset(t *testing.T) {
	for _, bytes := range []int{0, 8} {
		h := newHand(t, []string{refusing(t)}, nil)
		client := h.dial()
		client.send(make([]byte, bytes))
		h.accept()
		h.until(func() bool { return h.live == 0 }, "the connection is closed")
		want := syscall.Errno(0)
		if bytes > 0 {
			want = syscall.ECONNRESET
		}
		if _, e := client.recv(); e != want {
			t.Errorf("after %d bytes: %v, want %v", bytes, e, want)
		}
	}
}

// option reads an integer socket option.
func option(t *testing.T, fd, level, name int) int {
	t.Helper()
	n, err := syscall.GetsockoptInt(fd, level, name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOptionsAreSetWhenTheyAreNeeded(t *testing.T) {
	tuning := sys.Tuning{NoDelay: true, Keepalive: 77 * time.Second, UserTimeout: 33 * time.Second}
	for name, test := range map[string]struct {
		tweak func(*Config, *balance.Plan)
		first int
		then  func(h *hand, client *peer)
		tuned bool
	}{
		"one small message":  {first: untunedBytes, then: func(*hand, *peer) {}},
		"one large message":  {first: untunedBytes + 1, then: func(*hand, *peer) {}, tuned: true},
		"a second message":   {first: 1, then: func(h *hand, client *peer) { client.send([]byte("more")); h.calm() }, tuned: true},
		"a while":            {first: 1, then: func(h *hand, _ *peer) { h.until(func() bool { return h.only().tuned }, "the options are set") }, tuned: true},
		"a while of silence": {first: 0, then: func(h *hand, _ *peer) { h.until(func() bool { return h.only().tuned }, "the options are set") }, tuned: true},
		"by splice":          {first: 1, tweak: func(c *Config, _ *balance.Plan) { c.Splice = splice.Always }, then: func(h *hand, client *peer) { client.send([]byte("more")); h.calm() }, tuned: true},
		"an idle timeout":    {first: 1, tweak: func(_ *Config, p *balance.Plan) { p.IdleTimeout = time.Hour }, then: func(h *hand, _ *peer) { h.until(func() bool { return h.only().tuned }, "the options are set") }, tuned: true},
		"no shortcuts":       {first: 1, tweak: step, then: func(*hand, *peer) {}, tuned: true},
	} {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, p *balance.Plan) {
			c.Tuning = tuning
			if test.tweak != nil {
				test.tweak(c, p)
			}
		})
		client := h.dial()
		client.send(make([]byte, test.first))
		h.accept()
		h.calm()
		test.then(h, client)
		fd := int(h.only().server.fd)
		got := [3]int{option(t, fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY), option(t, fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE), option(t, fd, syscall.IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */)}
		want := [3]int{}
		if test.tuned {
			want = [3]int{1, 1, 33000}
		}
		if got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// An event of a former owner of the descriptor is dropped, and a hint is not taken for the truth: neither may cut a stream short whose peer has not ended.
func TestForgedEndsCutNothingShort(t *testing.T) {
	for name, serial := range map[string]func(e *end) uint16{
		"hint":         func(*end) uint16 { return 0 },
		"former owner": func(e *end) uint16 { return e.serial - 1 },
	} {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, nil)
		client, server := h.pair(f)
		for _, e := range []*end{&h.only().client, &h.only().server} {
			h.event(int(e.fd), serial(e), sys.In|sys.RdHup|sys.Out)
		}
		for range 3 {
			client.send([]byte("question"))
			h.calm()
			if got, e := server.recv(); string(got) != "question" || e != syscall.EAGAIN {
				t.Fatalf("%s: the server got %q, then %v", name, got, e)
			}
			server.send([]byte("answer"))
			h.calm()
			if got, e := client.recv(); string(got) != "answer" || e != syscall.EAGAIN {
				t.Fatalf("%s: the client got %q, then %v", name, got, e)
			}
		}
	}
}

// The last bytes and the FIN behind them leave in one packet, each way.
func TestLastBytesTakeTheFinAlong(t *testing.T) {
	f := newFarm(t)
	for _, shortcuts := range []bool{true, false} {
		for _, up := range []bool{true, false} {
			h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Shortcuts = shortcuts })
			from, to := h.pair(f)
			if !up {
				from, to = to, from
			}
			before := packets(t, to)
			from.send([]byte("goodbye"))
			from.shut()
			h.calm()
			if got, e := to.recv(); string(got) != "goodbye" || e != 0 {
				t.Errorf("up %v: got %q, then %v", up, got, e)
			}
			want := 2
			if shortcuts {
				want = 1
			}
			if n := packets(t, to) - before; n != want {
				t.Errorf("shortcuts %v, up %v: %d packets, want %d", shortcuts, up, n, want)
			}
		}
	}
}

// packets is how many segments a TCP socket has received (tcpi_segs_in).
func packets(t *testing.T, p *peer) int {
	t.Helper()
	const segsIn = 140 // its offset in struct tcp_info
	var info [256]byte
	n := uint32(len(info))
	if _, _, e := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(*p), syscall.IPPROTO_TCP, syscall.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		t.Fatal(e)
	}
	return int(*(*uint32)(unsafe.Pointer(&info[segsIn])))
}

// However many connections wait, they are all taken, and none is accepted that is not there once the loop has found its measure.
func TestEveryWaitingConnectionIsTaken(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, named("one"))}, func(c *Config, _ *balance.Plan) { c.Loops, c.AcceptBatch = 1, 7 })
		all := 0
		for _, burst := range []int{1, 2, 50, 1, 1, 20} {
			for range burst {
				r.dial()
				all++
			}
			until(t, func() bool { return r.Live() == all }, func() any { return r.Live() }, "connections", all)
		}
	})
}

func TestCongestionControl(t *testing.T) {
	f := newFarm(t)
	for _, test := range []struct{ everywhere, loopback, want string }{{"", "reno", "reno"}, {"reno", "", "reno"}, {"cubic", "reno", "reno"}} {
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Congestion, c.LoopbackCongestion = test.everywhere, test.loopback })
		h.pair(f)
		for name, e := range map[string]*end{"client": &h.only().client, "server": &h.only().server} {
			if got := algorithm(t, int(e.fd)); got != test.want {
				t.Errorf("%+v: the %s's is %q", test, name, got)
			}
		}
	}
	cfg, _, _, table := prepare(t, "raw", nil)
	table.Close()
	cfg.Congestion = "no-such"
	if _, err := listen(&cfg); err == nil {
		t.Error("an unknown algorithm is taken")
	}
}

func algorithm(t *testing.T, fd int) string {
	t.Helper()
	var b [16]byte
	n := uint32(len(b))
	if _, _, e := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, uintptr(unsafe.Pointer(&b)), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		t.Fatal(e)
	}
	return string(bytes.TrimRight(b[:], "\x00"))
}
