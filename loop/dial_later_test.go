package loop

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/backend"
	"pen/internal/balance"
)

// come has so many clients connect and say something each, which is nothing with size 0, and the loop accept them, but not come to the end of its turn.
func (h *hand) come(n, size int) (clients []*peer) {
	h.t.Helper()
	h.stopClock()
	for i := range n {
		c := h.dial()
		if size > 0 {
			c.send(question(1000+i, size))
		}
		clients = append(clients, c)
	}
	for h.live < n {
		if !h.events(100) {
			h.t.Fatalf("%d of %d clients are accepted", h.live, n)
		}
	}
	return clients
}

// heard checks that every one of the servers' connections was told what its client said, in whatever order they were made.
func heard(t *testing.T, f *farm, n, size int) (servers []*peer) {
	t.Helper()
	said := map[string]bool{}
	for i := range n {
		said[string(question(1000+i, size))] = true
	}
	for range n {
		s := f.take()
		got, e := s.recv()
		if !said[string(got)] || e != syscall.EAGAIN {
			t.Errorf("a server got %.30q… of %d bytes, then %v", got, len(got), e)
		}
		if size > 0 {
			delete(said, string(got))
		}
		servers = append(servers, s)
	}
	return servers
}

// Clients who come in a turn are connected at its end, together with what they have said: as many as the outbox takes at once, and more.
func TestClientsOfATurnAreDialledAtItsEnd(t *testing.T) {
	for _, shortcuts := range []bool{true, false} {
		for _, size := range []int{0, 20, untunedBytes + 1, 9000} {
			for _, n := range []int{1, 20, outboxMessages} {
				t.Run(fmt.Sprintf("%d clients, %d bytes, shortcuts %v", n, size, shortcuts), func(t *testing.T) {
					f := newFarm(t)
					h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Shortcuts, c.AcceptBatch = shortcuts, n })
					clients := h.come(n, size)
					if got := h.outbox.batch.Len(); n == 1 && got != 1 && got != 2 {
						t.Errorf("the outbox has %d entries", got)
					}
					if !shortcuts {
						h.batch(0) // the client is read when the server stands
					}
					h.turn()
					for c := range h.connections() {
						if c.state != forwarding || c.dialling || c.up.batch != away {
							t.Fatalf("after the turn one is in state %d, dialling %v", c.state, c.dialling)
						}
					}
					h.calm()
					servers := heard(t, f, n, size)
					for _, s := range servers {
						s.send([]byte("answer"))
						s.close()
					}
					h.calm()
					for _, c := range clients {
						if got, e := c.recv(); string(got) != "answer" || e != 0 {
							t.Fatalf("a client got %q, then %v", got, e)
						}
						c.close()
					}
					h.until(func() bool { return h.live == 0 }, "all connections are closed")
					totals := h.totals()
					if got, want := totals.Counts[account.BytesUp], uint64(n*size); got != want {
						t.Errorf("%d bytes up are counted, want %d", got, want)
					}
					if n := totals.Counts[account.Stale] + totals.Counts[account.Refused] + totals.Counts[account.LocalErrors]; n != 0 {
						t.Errorf("%d stale events and errors", n)
					}
				})
			}
		}
	}
}

// A server that refuses, that no route leads to, or that does not answer, is blamed, and left for the next one, which hears all that was said.
func TestDialledInVain(t *testing.T) {
	for name, test := range map[string]struct {
		first func(t *testing.T) string
		count account.Count
	}{
		"refuses":         {refusing, account.Refused},
		"has no route":    {func(*testing.T) string { return "255.255.255.255:80" }, account.Refused}, // ENETUNREACH
		"does not answer": {blackHole, account.TimedOut},
	} {
		for _, size := range []int{0, 800} {
			good := newFarm(t)
			h := newHand(t, []string{test.first(t), good.addr}, func(_ *Config, p *balance.Plan) { p.Prio, p.ConnectTimeout = true, 50*time.Millisecond })
			const n = 3
			for i := range n {
				if c := h.dial(); size > 0 {
					c.send(question(1000+i, size))
				}
			}
			h.until(func() bool {
				for c := range h.connections() {
					if c.state != forwarding {
						return false
					}
				}
				return h.live == n
			}, name+": all have the next server")
			h.calm()
			heard(t, good, n, size)
			if got := h.totals().Counts[test.count]; got == 0 {
				t.Errorf("%s, %d bytes: not counted", name, size)
			}
			if h.slots.Get(h.plan.Servers[0].ID).Health(h.now()) == (backend.Health{}) {
				t.Errorf("%s, %d bytes: not blamed", name, size)
			}
		}
	}
}

// Whoever is gone before the end of the turn takes nobody with him: his connect is made first, his place is not given to the next, and nothing of his is left.
func TestGoneBeforeTheConnectIsMade(t *testing.T) {
	for _, size := range []int{0, 20} {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, nil)
		clients := h.come(3, size)
		var gone *conn
		for c := range h.connections() {
			if c.client.fd >= 0 {
				gone = c
				break
			}
		}
		h.close(gone, account.Forced)
		if n := h.outbox.batch.Len(); n != 0 {
			t.Errorf("%d entries are left in the outbox of one who is gone", n)
		}
		if h.free == gone {
			t.Error("who is still to go on is given to the next")
		}
		h.turn()
		if gone.state != dead || gone.dialling || h.free != gone {
			t.Errorf("state %d, dialling %v after the turn; free for the next: %v", gone.state, gone.dialling, h.free == gone)
		}
		h.calm()
		ended := 0
		for range clients {
			got, e := f.take().recv()
			if size > 0 && !bytes.HasPrefix(got, []byte("question")) {
				t.Errorf("a server got %q", got)
			}
			if e != syscall.EAGAIN {
				ended++
			}
		}
		if ended != 1 || h.live != 2 {
			t.Errorf("%d servers were told of an end, %d connections are left", ended, h.live)
		}
	}
}
