package loop

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/backend"
	"pen/internal/balance"
)

func (h *hand) totals() account.Totals { return account.Read([]*account.Loop{h.ledger}).Totals }

// A server that takes the connection and resets it before we have looked has refused; one that does so after has ended, and its client is told.
func TestServerThatAcceptsAndResets(t *testing.T) {
	bad, good := newFarm(t), newFarm(t)
	h := newHand(t, []string{bad.addr, good.addr}, func(c *Config, p *balance.Plan) { p.Prio, c.SendBatch = true, false })
	h.dial()
	h.accept()
	bad.take().reset()
	h.calm()
	good.take()
	if n := h.totals().Counts[account.Refused]; n != 1 || h.only().state != forwarding {
		t.Errorf("%d connects refused, state %d: expected the next server to have been tried", n, h.only().state)
	}
	h.stop()

	h = newHand(t, []string{bad.addr}, nil)
	client, server := h.pair(bad)
	server.reset()
	h.until(func() bool { return h.live == 0 }, "the connection is closed")
	if got, e := client.recv(); len(got) != 0 || e != syscall.ECONNRESET {
		t.Errorf("the client got %q, then %v", got, e)
	}
}

// A client that is gone before it is accepted, or before its server has answered.
func TestClientThatResetsBeforeItIsServed(t *testing.T) {
	f := newFarm(t)
	for name, accepted := range map[string]bool{"before the accept": false, "while connecting": true} {
		h := newHand(t, []string{f.addr}, step)
		client := h.dial()
		client.send([]byte("never mind"))
		if accepted {
			h.accept()
			if h.only().state != connecting {
				t.Fatalf("state %d", h.only().state)
			}
		}
		client.reset()
		h.calm()
		server := f.take()
		h.until(func() bool { return h.live == 0 }, "the connection is closed")
		if _, e := server.recv(); e != syscall.ECONNRESET {
			t.Errorf("%s: the server's read ends with %v", name, e)
		}
		if got := h.ended(); got != account.ClientReset {
			t.Errorf("%s: ended as %v", name, got)
		}
	}
}

func TestClientThatEndsItsDirectionBeforeTheServerIsConnected(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, step)
	client := h.dial()
	client.send([]byte("question"))
	client.shut()
	h.accept()
	if h.only().state != connecting {
		t.Fatalf("state %d", h.only().state)
	}
	h.calm()
	server := f.take()
	if got, e := server.recv(); string(got) != "question" || e != 0 {
		t.Errorf("the server got %q, then %v", got, e)
	}
	server.send([]byte("answer"))
	server.close()
	h.until(func() bool { return h.live == 0 }, "the connection is closed")
	if got, e := client.recv(); string(got) != "answer" || e != 0 {
		t.Errorf("the client got %q, then %v", got, e)
	}
}

func TestConnectionsWithoutAByte(t *testing.T) {
	for _, first := range []account.Cause{account.ClientFin, account.ServerFin} {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, nil)
		one, other := h.pair(f)
		if first == account.ServerFin {
			one, other = other, one
		}
		one.shut()
		h.calm()
		if got, e := other.recv(); len(got) != 0 || e != 0 {
			t.Errorf("%v: the other side got %q, then %v", first, got, e)
		}
		if _, e := one.recv(); e != syscall.EAGAIN {
			t.Errorf("%v: the end came back as %v", first, e)
		}
		other.shut()
		h.until(func() bool { return h.live == 0 }, "the connection is closed")
		if got, e := one.recv(); len(got) != 0 || e != 0 {
			t.Errorf("%v: the first side got %q, then %v", first, got, e)
		}
		if got := h.ended(); got != first {
			t.Errorf("ended as %v, expected %v", got, first)
		}
	}
}

// All in one accept: five servers that refuse at once, then one that does not.
func TestFailoverThroughFiveRefusingServersAtOnce(t *testing.T) {
	good := newUnixFarm(t)
	h := newHand(t, []string{temporary(t), temporary(t), temporary(t), temporary(t), temporary(t), good.addr}, func(_ *Config, p *balance.Plan) { p.Prio = true })
	h.dial()
	h.accept()
	good.take()
	if n := h.totals().Counts[account.Refused]; n != 5 || h.only().state != forwarding {
		t.Errorf("%d connects refused, state %d", n, h.only().state)
	}
	for i, s := range h.plan.Servers {
		want := int32(0)
		if i == 5 {
			want = 1
		}
		if n := h.slots.Get(s.ID).Live(); n != want {
			t.Errorf("server %d counts %d connections, expected %d", i, n, want)
		}
	}
}

// A Unix server whose backlog is full is busy, not dead: the client goes on to the next one, nobody is blamed, and the next client finds the first again.
func TestUnixServerWithAFullBacklogIsPassedOverNotShunned(t *testing.T) {
	busy, spare := newUnixFarm(t), newUnixFarm(t)
	if err := syscall.Listen(busy.fd.Int(), 0); err != nil { // room for one
		t.Fatal(err)
	}
	h := newHand(t, []string{busy.addr, spare.addr}, func(_ *Config, p *balance.Plan) { p.Prio, p.RoundRobin = true, true })
	filler := dialPeer(t, balance.Address{Path: busy.addr})
	h.dial()
	h.calm()
	spare.take()
	totals := h.totals()
	if l, r := totals.Counts[account.LocalErrors], totals.Counts[account.Refused]; l != 1 || r != 0 {
		t.Errorf("%d local errors, %d refusals, expected 1 and 0", l, r)
	}
	if health := h.slots.Get(h.plan.Servers[0].ID).Health(h.now()); health != (backend.Health{}) {
		t.Errorf("the busy server is held to be unwell: %+v", health)
	}
	busy.take()
	filler.close()
	h.dial()
	h.calm()
	busy.take()
}

// Draining with a listener that rests or waits for room ends with the last connection all the same.
func TestDrainOfAPausedOrStarvedLoopEnds(t *testing.T) {
	for name, hinder := range map[string]func(h *hand){
		"paused":  func(h *hand) { h.lendSpare(syscall.EMFILE) },
		"starved": func(h *hand) { h.gate.max.Store(1); h.dial(); h.calm() },
	} {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, nil)
		client, server := h.pair(f)
		hinder(h)
		h.post((*Loop).drain)
		h.calm()
		if !h.turn() {
			t.Fatalf("%s: ended with %d connections open", name, h.live)
		}
		client.send([]byte("still here"))
		client.shut()
		h.calm()
		if got, e := server.recv(); string(got) != "still here" || e != 0 {
			t.Errorf("%s: the server got %q, then %v", name, got, e)
		}
		server.close()
		h.until(func() bool { return h.live == 0 }, "the connection is closed")
		if h.turn() {
			t.Errorf("%s: the loop does not end with its last connection", name)
		}
	}
}

// Connections that are still looking for a server, or lingering, when the end comes.
func TestDrainAndStopWhileConnectingAndLingering(t *testing.T) {
	hole, f := blackHole(t), newFarm(t)
	h := newHand(t, []string{hole, f.addr}, func(_ *Config, p *balance.Plan) { p.RoundRobin = true })
	for range 4 {
		h.dial()
	}
	h.calm()
	states := map[state]int{}
	for _, e := range h.ends.all() {
		if e == &e.conn.client {
			states[e.conn.state]++
		}
	}
	if states[connecting] != 2 || states[forwarding] != 2 {
		t.Fatalf("states %v", states)
	}
	some := noise(64 << 10)
	server := f.take()
	for lingers := false; !lingers; h.calm() {
		server.send(some)
		for _, e := range h.ends.all() {
			lingers = lingers || e == &e.conn.client && unsent(e) > 0
		}
	}
	server.reset()
	h.drain()
	h.calm()
	if h.live != 4 || !h.turn() {
		t.Fatalf("%d connections of 4 are left when draining begins", h.live)
	}
	h.stop() // what is left must add up: the cleanup looks
}

func TestThousandsOpenedAndClosedAtOnce(t *testing.T) {
	const crowd = 1500
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo), serve(t, echo)}, func(c *Config, _ *balance.Plan) { c.Backlog, c.MaxConns = 4096, 2*crowd })
		var clients, open sync.WaitGroup
		open.Add(crowd)
		leave := make(chan struct{})
		for range crowd {
			clients.Go(func() {
				c, err := net.DialTimeout("tcp", r.Addr().String(), patience)
				if err != nil {
					t.Error(err)
					open.Done()
					return
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				io.WriteString(c, "x")
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Error(err)
				}
				open.Done()
				<-leave
			})
		}
		open.Wait()
		if n := r.Live(); n != crowd {
			t.Errorf("%d of %d connections are open", n, crowd)
		}
		close(leave)
		clients.Wait()
		until(t, func() bool { return r.Live() == 0 }, func() any { return r.Live() }, "connections", 0)
		if n := r.Totals().Counts[account.Accepted]; n != crowd {
			t.Errorf("%d connections accepted of %d", n, crowd)
		}
	})
}
