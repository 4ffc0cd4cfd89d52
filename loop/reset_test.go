package loop

import (
	"syscall"
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// pending takes the error the kernel holds for the peer's socket.
func (p *peer) pending() syscall.Errno { return sys.PendingError(int(*p)) }

// The client ends its direction and resets, and both are seen in one batch: the read meets the end of file and stops there, and no other event will come.
func TestResetThatComesWithTheFinIsSeen(t *testing.T) {
	for _, mode := range allModes {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
		client, server := h.pair(f)
		client.send([]byte("last words"))
		client.shut()
		client.reset()
		h.until(func() bool { return h.live == 0 }, "the connection of a client that has reset is closed")
		if got, e := server.recv(); string(got) != "last words" || e != 0 && e != syscall.ECONNRESET {
			t.Errorf("%v: the server got %q, then %v", mode, got, e)
		}
		if server.send([]byte("x")) > 0 {
			t.Errorf("%v: the server was not told of the reset", mode)
		}
		if got := h.ended(); got != account.ClientReset {
			t.Errorf("%v: the connection ended as %v", mode, got)
		}
	}
}

// The client ends its direction and resets, and it is a write that finds out before its event is looked at: the kernel calls it a broken pipe then.
func TestResetAfterHalfCloseFoundByAWriteReachesTheServer(t *testing.T) {
	for _, mode := range allModes {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
		client, server := h.pair(f)
		client.shut()
		h.calm()
		if _, e := server.recv(); e != 0 {
			t.Fatalf("the server did not see the client's end: %v", e)
		}
		server.send([]byte("answer"))
		client.reset()
		c := h.only()
		h.event(int(c.server.fd), 0, sys.In) // the answer's event is the first of the batch
		h.until(func() bool { return h.live == 0 }, "the connection of a client that has reset is closed")
		if got := h.ended(); got != account.ClientReset {
			t.Errorf("%v: the connection ended as %v", mode, got)
		}
		if e := server.pending(); e != syscall.EPIPE && e != syscall.ECONNRESET {
			t.Errorf("%v: the server was told %v, expected the client's reset", mode, e)
		}
	}
}

// ended names the cause of the only connection that has ended.
func (h *hand) ended() account.Cause {
	h.t.Helper()
	totals := h.totals()
	for cause, n := range totals.Ended {
		if n == 1 {
			return account.Cause(cause)
		}
	}
	h.t.Fatalf("no one connection has ended: %v", totals.Attrs())
	return 0
}

// A server that answers, ends, and resets because it did not read its client to the end: whichever way we learn of it, its client is not told by RST, which could destroy the answer.
func TestServerThatAnswersAndResetsHasAnswered(t *testing.T) {
	for _, mode := range allModes {
		for name, together := range map[string]bool{"reset with the end": true, "reset after the end": false} {
			f := newFarm(t)
			h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
			client, server := h.pair(f)
			server.send([]byte("go away"))
			server.shut()
			if !together {
				h.calm()
			}
			server.reset()
			h.calm()
			client.send([]byte("upload"))
			h.calm()
			if e := client.pending(); e != 0 {
				t.Errorf("%v, %s: the client was told %v while it had the answer before it", mode, name, e)
			}
			if got, e := client.recv(); string(got) != "go away" || e != 0 {
				t.Errorf("%v, %s: the client got %q, then %v", mode, name, got, e)
			}
			client.close()
			h.until(func() bool { return h.live == 0 }, "the connection is closed once the client has ended as well")
			if got := h.ended(); got != account.ServerFin {
				t.Errorf("%v, %s: the connection ended as %v", mode, name, got)
			}
		}
	}
}

// Once a write has been told of an error, reads take it for an end of file. Only the broken pipe comes after a true one.
func TestErrorToldToAWriteIsNoOrderlyEnd(t *testing.T) {
	for e, reset := range map[syscall.Errno]bool{syscall.EPIPE: false, syscall.ECONNRESET: true, syscall.ETIMEDOUT: true, syscall.EHOSTUNREACH: true} {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, nil)
		h.pair(f)
		c := h.only()
		h.giveUp(c, &c.up, &c.server, e)
		if c.server.reset != reset {
			t.Errorf("after %v the end of the server's stream counts as reset: %v", e, c.server.reset)
		}
		if got := h.sourceEnded(c, &c.down, &c.server); reset && got != e || !reset && got != 0 {
			t.Errorf("after %v it ends by %v", e, got)
		}
	}
}

// Both ends reset while both directions are full: nobody ended orderly.
func TestConnectionWithBothEndsResetEndsAsReset(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	client, server := h.pair(f)
	full := noise(1 << 20)
	for client.send(full)+server.send(full) > 0 {
		h.calm()
	}
	if c := h.only(); !c.up.pending() || !c.down.pending() {
		t.Fatal("the directions are not full")
	}
	client.reset()
	server.reset()
	since := h.present()
	h.until(func() bool { return h.live == 0 }, "the connection is closed")
	if got := h.ended(); got != account.ClientReset && got != account.ServerReset {
		t.Errorf("ended as %v", got)
	}
	if took := h.present() - since; took > 5 {
		t.Errorf("lingered %d ticks for nobody", took)
	}
}

// A connection lingers for what its survivor has not taken; when the survivor is gone as well there is nothing to wait for.
func TestLingeringEndsWithTheSurvivor(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	client, server := h.pair(f)
	some := noise(64 << 10)
	for c := h.only(); unsent(&c.client) == 0; h.calm() { // until the client's own buffer is full
		server.send(some)
	}
	server.reset()
	h.calm()
	if c := h.only(); c.state != lingering {
		t.Fatalf("state %v with bytes on their way to the client and a server that has reset", c.state)
	}
	since := h.present()
	client.reset()
	h.until(func() bool { return h.live == 0 }, "the connection is closed")
	if took := h.present() - since; took > 5 {
		t.Errorf("lingered %d ticks for nobody", took)
	}
}

// The server resets, and it is a write that is told so, before the server's own event is looked at: the reads after it give an end of file that is none.
func TestResetFoundByAWriteIsNoOrderlyEnd(t *testing.T) {
	for _, mode := range allModes {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
		client, server := h.pair(f)
		server.reset()
		client.send([]byte("x"))
		h.event(int(h.only().client.fd), 0, sys.In)
		h.until(func() bool { return h.live == 0 }, "the connection is closed")
		if got, e := client.recv(); len(got) != 0 || e != syscall.ECONNRESET {
			t.Errorf("%v: the client got %q, then %v", mode, got, e)
		}
		if got := h.ended(); got != account.ServerReset {
			t.Errorf("%v: ended as %v", mode, got)
		}
	}
}

// RST overtakes and destroys what its receiver has not yet acknowledged: it has to wait.
func TestResetWaitsUntilTheSurvivorHasEverything(t *testing.T) {
	for _, mode := range allModes {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
		client, server := h.pair(f)
		some := noise(64 << 10)
		c := h.only()
		for unsent(&c.client) == 0 { // until the client's own buffer is full
			server.send(some)
			h.calm()
		}
		server.reset()
		h.calm()
		sent := c.down.bytes
		if got, e := h.rest(client); got != sent || e != syscall.ECONNRESET {
			t.Errorf("%v: the client got %d of the %d bytes before the reset, then %v", mode, got, sent, e)
		}
	}
}

// What is in the pipes of a connection that is closed is lost, and the pipes with it; none goes missing, and nobody else ever meets the bytes.
func TestClosingAConnectionWithFullPipesGivesThemBack(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = splice.Always })
	client, server := h.pair(f)
	full := noise(1 << 20)
	for client.send(full)+server.send(full) > 0 {
		h.calm()
	}
	if c := h.only(); c.up.pipe == nil || c.down.pipe == nil || !c.up.pending() || !c.down.pending() {
		t.Fatal("the pipes are not full")
	}
	h.close(h.only(), account.Forced)
	if open, idle := h.pipes.Open(), h.pipes.Idle(); open != 0 || idle != 0 {
		t.Errorf("%d pipes open and %d idle after their bytes were given up", open, idle)
	}
}
