package loop

import (
	"bytes"
	"syscall"
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

var allModes = []splice.Mode{splice.Auto, splice.Always, splice.Never}

// A client that comes while accepting rests must not be forgotten: its event is edge-triggered and will not be repeated.
// The pause began outside accept, with a failover that took the spare descriptor, so the listener was not known to have more.
func TestClientThatComesDuringAPauseIsServedAfterIt(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.calm()
	if !h.lendSpare(syscall.EMFILE) {
		t.Fatal("there is no spare descriptor")
	}
	h.dial()
	h.calm()
	if h.live != 0 {
		t.Fatal("a client was accepted during the pause")
	}
	h.until(func() bool { return h.live == 1 }, "the client that came during the pause is accepted")
}

// oob sends one byte of TCP's urgent data (or a Unix socket's, which has the same).
func (p *peer) oob() {
	if err := syscall.Sendto(int(*p), []byte("!"), syscall.MSG_OOB|syscall.MSG_DONTWAIT, nil); err != nil {
		panic(err)
	}
}

// A read stops short at the urgent mark though more is queued behind it, and a splice does not get past it at all: with the end of the stream queued as well, it calls the mark the end of file.
// The urgent byte itself is not part of the stream; it goes missing, as behind every proxy.
func TestUrgentDataNeitherStallsNorTruncatesTheStream(t *testing.T) {
	for _, mode := range allModes {
		for _, late := range []bool{false, true} { // the marked bytes are there when the connection is made, or come in one go later
			for _, fin := range []bool{false, true} {
				f := newFarm(t)
				h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
				client := h.dial()
				var server *peer
				if late {
					h.calm()
					server = f.take()
				}
				client.send([]byte("before"))
				client.oob()
				client.send([]byte("after"))
				if fin {
					client.shut()
				}
				h.calm()
				if !late {
					server = f.take()
				}
				got, e := server.recv()
				want := syscall.EAGAIN
				if fin {
					want = 0
				}
				if string(got) != "beforeafter" || e != want {
					t.Errorf("%v, late %v, fin %v: the server got %q, then %v", mode, late, fin, got, e)
				}
			}
		}
	}
}

// A read of a Unix socket stops short behind bytes that came with descriptors, and at out-of-band bytes, whatever is queued behind them.
func TestShortReadOfAUnixSocketIsNotItsLast(t *testing.T) {
	for _, mode := range allModes {
		f := newUnixFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice, c.Endpoint = mode, Endpoint{Path: temporary(t)} })
		client, server := h.pair(f)
		for _, way := range [][2]*peer{{client, server}, {server, client}} {
			from, to := way[0], way[1]
			if err := syscall.Sendmsg(int(*from), []byte("one "), syscall.UnixRights(int(*from)), nil, 0); err != nil {
				t.Fatal(err)
			}
			from.send([]byte("two "))
			from.oob()
			from.send([]byte("three"))
			h.calm()
			if got, e := to.recv(); string(got) != "one two three" || e != syscall.EAGAIN {
				t.Errorf("%v: %q arrived, then %v", mode, got, e)
			}
		}
	}
}

// A connection that always has more to do asks for turn after turn; between two of them the others' events have to be looked at.
func TestOneBusyConnectionDoesNotKeepTheLoopFromItsEvents(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		p, err := openPoller(poller)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		bell, err := sys.NewEventFD()
		if err != nil {
			t.Fatal(err)
		}
		defer bell.Close()
		if err := p.add(bell.Int(), 0, wantRead); err != 0 {
			t.Fatal(err)
		}
		h := &busy{poll: p, bell: bell.Int()}
		p.soon()
		p.run(h)
		if !h.seen {
			t.Errorf("after %d turns in a row the event that has been waiting is not delivered", h.turns)
		}
	})
}

type busy struct {
	poll  poller
	bell  int
	turns int
	seen  bool
}

func (h *busy) event(fd int, _ uint16, _ uint32) { h.seen = h.seen || fd == h.bell }

func (h *busy) failed(syscall.Errno) {}

func (h *busy) turn() bool {
	if h.turns++; h.turns == 3 {
		sys.Signal(h.bell)
	}
	h.poll.soon()
	return !h.seen && h.turns < 1000
}

// Splices are cut into what the budget leaves; the rest is not to wait for an event that has come already.
func TestMoreThanABudgetComesThroughWithoutFurtherEvents(t *testing.T) {
	for _, mode := range allModes {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Splice = mode })
		client, server := h.pair(f)
		sent, got := noise(5*turnBytes+12345), []byte(nil)
		for rest := sent; len(got) < len(sent); {
			if n := client.send(rest); n > 0 {
				rest = rest[n:]
			}
			h.batch(1)
			p, e := server.recv()
			if got = append(got, p...); e != syscall.EAGAIN {
				t.Fatalf("%v: after %d bytes: %v", mode, len(got), e)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%v: not the bytes sent", mode)
		}
	}
}

// A connection that is closed while it waits for its next turn is not used again before it has had it: the turn would meet another's life.
func TestConnectionIsNotReusedWhileItWaitsForItsTurn(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.pair(f)
	c := h.only()
	h.later(c)
	h.later(c)
	h.close(c, account.Forced)
	if h.free != nil {
		t.Error("it is free with its turn still to come")
	}
	h.calm()
	if h.free != c || c.timer.next != nil {
		t.Error("it was not freed once by its turn")
	}
}
