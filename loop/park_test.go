package loop

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

// short is a connection of a question and an answer, whose ends come in order, one after the other.
func (h *hand) short(f *farm, size int, serverFirst bool) {
	h.t.Helper()
	client := h.dial()
	client.send(question(1, size))
	h.calm()
	server := f.take()
	if got, e := server.recv(); string(got) != string(question(1, size)) || e != syscall.EAGAIN {
		h.t.Fatalf("the server got %.30q, %v", got, e)
	}
	server.send([]byte("answer"))
	first, second := client, server
	if serverFirst {
		first, second = server, client
	}
	h.calm()
	first.shut()
	h.calm()
	got, e := client.recv()
	if wantEnd := map[bool]syscall.Errno{true: 0, false: syscall.EAGAIN}[serverFirst]; string(got) != "answer" || e != wantEnd {
		h.t.Fatalf("the client got %q, %v", got, e)
	}
	if _, e := second.recv(); e != 0 {
		h.t.Fatalf("the second to end is not told: %v", e)
	}
	second.close()
	h.calm()
	if _, e := first.recv(); e != 0 {
		h.t.Fatalf("the first to end is not told: %v", e)
	}
	first.close()
	if h.live != 0 {
		h.t.Fatalf("%d connections are left", h.live)
	}
}

// tcpState is a socket's, of tcp_states.h: the first byte of struct tcp_info.
func tcpState(t *testing.T, fd int32) int {
	t.Helper()
	state, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return state & 0xff
}

const tcpClose = 7

func TestSocketsAreUsedAgain(t *testing.T) {
	for _, batch := range []bool{true, false} {
		for _, serverFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("batch %v, server first %v", batch, serverFirst), func(t *testing.T) {
				f := newFarm(t)
				h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.SendBatch = batch })
				h.stopClock()
				parked := int32(-1)
				for i := range 5 {
					h.short(f, 20+i, serverFirst)
					if n := len(h.lot.sockets); n != 1 {
						t.Fatalf("%d sockets are parked", n)
					}
					if fd := h.lot.sockets[0].fd; i == 0 {
						parked = fd
					} else if fd != parked {
						t.Fatalf("descriptor %d is parked, it was %d", fd, parked)
					}
					if s := tcpState(t, parked); s != tcpClose {
						t.Errorf("the parked socket is in state %d", s)
					}
				}
				if n := h.totals().Counts[account.Stale]; n != 0 {
					t.Errorf("%d events are called stale", n)
				}
				h.prune() // it was not there when the loop began
				h.short(f, 20, serverFirst)
				h.prune()
				if len(h.lot.sockets) != 1 {
					t.Error("a socket that was needed is closed")
				}
				h.prune()
				if n := len(h.lot.sockets); n != 0 || isSocket(parked) {
					t.Errorf("%d sockets are parked that nobody needed, open %v", n, isSocket(parked))
				}
			})
		}
	}
}

func isSocket(fd int32) bool {
	_, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE)
	return err == nil
}

// A server that speaks first is heard on a socket that the poller knows already.
func TestAUsedSocketIsHeard(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.stopClock()
	for range 3 {
		h.short(f, 10, true)
		client := h.dial()
		h.calm()
		if len(h.lot.sockets) != 0 {
			t.Fatal("the parked socket is not used")
		}
		server := f.take()
		server.send([]byte("hello"))
		h.calm()
		if got, e := client.recv(); string(got) != "hello" || e != syscall.EAGAIN {
			t.Fatalf("the client got %q, %v", got, e)
		}
		server.reset()
		h.calm()
		if _, e := client.recv(); e != syscall.ECONNRESET {
			t.Errorf("the reset comes as %v", e)
		}
		client.close()
	}
}

// Only a socket that is as good as new is parked.
func TestWhatIsNotParked(t *testing.T) {
	for name, test := range map[string]struct {
		tweak func(*Config, *balance.Plan)
		live  func(h *hand, f *farm)
	}{
		"switched off":  {func(c *Config, _ *balance.Plan) { c.ReuseSockets = false }, func(h *hand, f *farm) { h.short(f, 10, false) }},
		"no shortcuts":  {func(c *Config, _ *balance.Plan) { c.Shortcuts = false }, func(h *hand, f *farm) { h.short(f, 10, false) }},
		"large message": {nil, func(h *hand, f *farm) { h.short(f, untunedBytes+1, false) }},
		"own address": {func(_ *Config, p *balance.Plan) { p.Source = netip.MustParseAddr("127.0.0.77") },
			func(h *hand, f *farm) { h.short(f, 10, false) }},
		"two messages": {nil, func(h *hand, f *farm) {
			client, server := h.pair(f)
			for range 2 {
				client.send([]byte("message"))
				h.calm()
			}
			client.close()
			h.calm()
			server.close()
			h.calm()
		}},
		"many bytes": {nil, func(h *hand, f *farm) {
			client, server := h.pair(f)
			server.send(noise(parkedBytes + 1))
			h.calm()
			client.recv()
			client.shut()
			h.calm()
			server.close()
			h.calm()
		}},
		"reset by the server": {nil, func(h *hand, f *farm) {
			client, server := h.pair(f)
			client.shut()
			h.calm()
			server.reset()
			h.calm()
		}},
		"reset by the client": {nil, func(h *hand, f *farm) {
			client, server := h.pair(f)
			server.shut()
			h.calm()
			client.reset()
			h.calm()
		}},
		"fast close": {func(_ *Config, p *balance.Plan) { p.FastClose = balance.FastUp | balance.FastDown }, func(h *hand, f *farm) {
			client, _ := h.pair(f)
			client.close()
			h.calm()
		}},
		"closed by the operator": {nil, func(h *hand, f *farm) {
			client, server := h.pair(f)
			client.shut()
			c := h.only()
			h.until(func() bool { n, _ := sys.Unsent(int(c.server.fd)); return c.up.shut && n == 0 }, "the server's kernel has the client's end")
			h.close(c, account.Forced)
			server.close()
		}},
		"draining": {nil, func(h *hand, f *farm) {
			client, server := h.pair(f)
			h.state = draining
			client.close()
			h.calm()
			server.close()
			h.calm()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t)
			h := newHand(t, []string{f.addr}, test.tweak)
			h.stopClock()
			test.live(h, f)
			h.until(func() bool { return h.live == 0 }, "the connection is over")
			if len(h.lot.sockets) != 0 {
				t.Error("its socket is parked")
			}
		})
	}
}

// A FIN that is not acknowledged may have to be sent again, so its socket is closed, which sees to that: the server hears of the end all the same.
func TestWhatIsOnItsWayIsNotDestroyed(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.stopClock()
	client, server := h.pair(f)
	server.send([]byte("answer"))
	server.shut()
	h.calm()
	drop := []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K}} // takes 0 bytes of every packet
	if err := syscall.AttachLsf(int(*server), drop); err != nil {
		t.Fatal(err)
	}
	if got, e := client.recv(); string(got) != "answer" || e != 0 {
		t.Fatalf("the client got %q, %v", got, e)
	}
	client.close()
	h.until(func() bool { return h.live == 0 }, "the connection is over")
	if len(h.lot.sockets) != 0 {
		t.Error("its socket is parked")
	}
	if err := syscall.DetachLsf(int(*server)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for _, e := server.recv(); e != 0; _, e = server.recv() {
		if e != syscall.EAGAIN || time.Now().After(deadline) {
			t.Fatalf("the server's connection ends by %v", e)
		}
		time.Sleep(time.Millisecond)
	}
}

// The order in which the ends were passed on decides whether the server knows, not the order in which they came.
func TestAnEndThatWaitedIsPassedOn(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.stopClock()
	client, server := h.pair(f)
	c := h.only()
	c.up.eof, c.cause = true, account.ClientFin // read, and its bytes are still to be taken by the server
	server.shut()
	c.down.eof, c.down.shut, c.up.shut = true, true, true // the server's end was passed on first
	client.close()
	h.close(c, c.cause)
	if len(h.lot.sockets) != 1 {
		t.Fatal("not parked")
	}
	if _, e := server.recv(); e != 0 {
		t.Errorf("the server is told %v, not the end", e)
	}
}

// Sockets of one family do not stand in for those of another, nor plain ones for those with an address of their own.
func TestSocketsOfAnotherKind(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.stopClock()
	h.short(f, 10, false)
	c := &conn{chosen: &balance.Server{Addr: address("[::1]:80")}}
	if h.unpark(c) {
		t.Error("for IPv6")
	}
	h.cfg.LoopbackCongestion = "reno"
	c.chosen = &balance.Server{Addr: address(f.addr)}
	if h.unpark(c) {
		t.Error("for another congestion control")
	}
	h.cfg.LoopbackCongestion = ""
	h.plan.Source = netip.MustParseAddr("127.0.0.77")
	if h.unpark(c) {
		t.Error("for an address of its own")
	}
	h.plan.Source = netip.Addr{}
	if len(h.lot.sockets) != 1 || !h.unpark(c) {
		t.Error("not for its own kind")
	}
	h.drop(&c.server)
}

// A socket that does not let itself be used again is closed, and the client has a new one.
func TestAParkedSocketThatIsNoGood(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.stopClock()
	h.short(f, 10, false)
	if err := syscall.Dup3(h.bellFD(), int(h.lot.sockets[0].fd), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	h.short(f, 10, false)
	if len(h.lot.sockets) != 1 || tcpState(t, h.lot.sockets[0].fd) != tcpClose {
		t.Error("the new one is not parked")
	}
}

func (h *hand) bellFD() int { return h.poll.(*rawPoller).bell.Int() }

// Parked sockets are given up where descriptors lack, and are not more than so many.
func TestTheLotIsBounded(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.AcceptBatch = 2 * parkedMost })
	clients := h.come(parkedMost+5, 20)
	h.calm()
	for _, s := range heard(t, f, parkedMost+5, 20) {
		s.send([]byte("answer"))
		s.shut()
	}
	h.calm()
	for _, c := range clients {
		if _, e := c.recv(); e != 0 {
			t.Fatalf("a client got %v", e)
		}
		c.close()
	}
	h.until(func() bool { return h.live == 0 }, "they are over")
	if n := len(h.lot.sockets); n != parkedMost {
		t.Errorf("%d sockets are parked", n)
	}
	h.Loop.rest(syscall.EMFILE)
	if n := len(h.lot.sockets); n != 0 {
		t.Errorf("%d sockets are parked when there are no descriptors", n)
	}
}
