package loop

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/splice"
)

// talk is hand with so many connections that copy what they carry.
func talk(t *testing.T, n int, tweak func(*Config)) (h *hand, clients, servers []*peer) {
	return talkTo(newFarm(t), n, tweak)
}

func talkTo(f *farm, n int, tweak func(*Config)) (h *hand, clients, servers []*peer) {
	h = newHand(f.t, []string{f.addr}, func(c *Config, _ *balance.Plan) {
		c.Splice = splice.Never
		if tweak != nil {
			tweak(c)
		}
	})
	for range n {
		c, s := h.pair(f)
		clients, servers = append(clients, c), append(servers, s)
	}
	return h, clients, servers
}

// question is what the i-th client asks.
func question(i, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "question %d ", i), 1+size/11)[:size]
}

// What is read in a turn is sent at its end, to each what is his, in one call; more than the outbox takes, by messages or by bytes, in more.
func TestATurnIsSentAtItsEnd(t *testing.T) {
	for _, size := range []int{11, 200, sentAtOnce, sentAtOnce + 1} {
		const n = 60
		h, clients, servers := talk(t, n, nil)
		h.stopClock()
		for i, c := range clients {
			c.send(question(i, size))
		}
		h.events(100)
		waiting := h.outbox.batch.Len()
		switch {
		case size > sentAtOnce && waiting != 0:
			t.Errorf("%d messages of %d bytes wait", waiting, size)
		case size*n < outboxBytes-copyBuffer-64*n && waiting != n:
			t.Errorf("%d messages of %d bytes wait, want %d", waiting, size, n)
		case size <= sentAtOnce && waiting == 0:
			t.Errorf("no message of %d bytes waits", size)
		}
		if early, _ := servers[n-1].recv(); len(early) > 0 && size <= sentAtOnce && waiting == n {
			t.Errorf("%d bytes were sent before the turn's end", len(early))
		}
		h.turn()
		if left := h.outbox.batch.Len(); left != 0 {
			t.Errorf("%d messages are left after the turn", left)
		}
		for i, s := range servers[:n-1] {
			if got, e := s.recv(); !bytes.Equal(got, question(i, size)) || e != syscall.EAGAIN {
				t.Errorf("server %d got %.30q… of %d bytes, then %v", i, got, len(got), e)
			}
		}
		for i, s := range servers { // and the other way
			s.send(question(n+i, size))
		}
		h.calm()
		for i, c := range clients {
			if got, e := c.recv(); !bytes.Equal(got, question(n+i, size)) || e != syscall.EAGAIN {
				t.Errorf("client %d got %.30q… of %d bytes, then %v", i, got, len(got), e)
			}
		}
		if got, want := h.totals().Counts[account.BytesCopied], uint64(2*n*size); got != want {
			t.Errorf("%d bytes are counted, want %d", got, want)
		}
	}
}

// A destination that takes a part of its message, or nothing of it, gets the rest when it has room, and nothing is read for it before.
func TestBatchedMessagesThatDoNotFit(t *testing.T) {
	const size, rounds = 8000, 300 // more than the kernel holds on the way
	f := newFarm(t)
	syscall.SetsockoptInt(f.fd.Int(), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) // for packets smaller than a message
	h, clients, servers := talkTo(f, 3, nil)
	for c := range h.connections() {
		syscall.SetsockoptInt(int(c.server.fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<10)
	}
	var sent, got [3][]byte
	part := false
	for round := range rounds {
		for i, c := range clients {
			q := question(100*round+i, size)
			sent[i] = append(sent[i], q[:c.send(q)]...)
		}
		h.batch(0)
		for c := range h.connections() {
			part = part || c.up.tail != nil && len(c.up.tail.buf)%size != 0
			if c.up.tail != nil && c.up.batch == inside {
				t.Fatal("a direction has both a tail and a message in the outbox")
			}
		}
	}
	if !part {
		t.Error("no message was taken in part")
	}
	h.until(func() bool {
		for i, s := range servers {
			p, _ := s.recv()
			got[i] = append(got[i], p...)
		}
		return len(got[0]) >= len(sent[0]) && len(got[1]) >= len(sent[1]) && len(got[2]) >= len(sent[2])
	}, "all bytes have arrived")
	for i := range got {
		if !bytes.Equal(got[i], sent[i]) {
			t.Errorf("server %d got other bytes than were sent", i)
		}
	}
}

// A destination that is gone by the end of the turn is found out then: its reset reaches the source, and it is named.
func TestBatchedMessageToOneWhoHasReset(t *testing.T) {
	h, clients, servers := talk(t, 2, nil)
	h.stopClock()
	for i, c := range clients {
		c.send(question(i, 20))
	}
	h.events(100)
	if n := h.outbox.batch.Len(); n != 2 {
		t.Fatalf("%d messages wait, want 2", n)
	}
	servers[0].reset()
	h.turn()
	h.until(func() bool { return h.live == 1 }, "the connection whose server has reset is closed")
	if got := h.ended(); got != account.ServerReset {
		t.Errorf("it ended as %v", got)
	}
	if _, e := clients[0].recv(); e != syscall.ECONNRESET {
		t.Errorf("its client was told %v", e)
	}
	if got, _ := servers[1].recv(); !bytes.Equal(got, question(1, 20)) {
		t.Errorf("the other server got %q", got)
	}
}

// What ends a connection comes after its messages, and never sends them to whoever has its descriptors next.
func TestMessagesGoBeforeTheirConnectionEnds(t *testing.T) {
	endings := map[string]func(h *hand, c *conn){
		"closed":    func(h *hand, c *conn) { h.close(c, account.Lifetime) },
		"lingering": func(h *hand, c *conn) { c.server.errno = uint8(syscall.ECONNRESET); h.abort(c, &c.server) },
	}
	for name, end := range endings {
		h, clients, servers := talk(t, 2, nil)
		h.stopClock()
		for i, s := range servers {
			s.send(question(i, 30))
		}
		h.events(100)
		if n := h.outbox.batch.Len(); n != 2 {
			t.Fatalf("%s: %d messages wait, want 2", name, n)
		}
		for c := range h.connections() {
			if c.client.fd >= 0 && c.down.batch == inside {
				end(h, c)
				break
			}
		}
		if n := h.outbox.batch.Len(); n != 0 {
			t.Errorf("%s: %d messages wait", name, n)
		}
		h.turn()
		for i, c := range clients {
			if got, _ := c.recv(); !bytes.Equal(got, question(i, 30)) {
				t.Errorf("%s: client %d got %q", name, i, got)
			}
		}
	}
}

// An end of stream that is read behind a message stays behind it.
func TestMessagesGoBeforeTheEndOfTheirStream(t *testing.T) {
	h, clients, servers := talk(t, 3, func(c *Config) { c.Shortcuts = false }) // so that it takes a read of its own
	for i, c := range clients {
		c.send(question(i, 40))
		c.shut()
	}
	h.calm()
	for i, s := range servers {
		if got, e := s.recv(); !bytes.Equal(got, question(i, 40)) || e != 0 {
			t.Errorf("server %d got %q, then %v", i, got, e)
		}
	}
}

// Whoever was heard in the very turn in which his time was up was heard.
func TestMessageInTheOutboxIsNoSilence(t *testing.T) {
	h, clients, servers := talk(t, 2, nil)
	clients[0].send([]byte("here I am"))
	h.events(100)
	h.tick()
	if n := h.outbox.batch.Len(); n != 0 {
		t.Errorf("%d messages wait while it is judged who is silent", n)
	}
	if got, _ := servers[0].recv(); string(got) != "here I am" {
		t.Errorf("the server got %q", got)
	}
}

// Where the kernel has no batches, or the operator wants none, each message goes by itself.
func TestSendsOneByOne(t *testing.T) {
	h, clients, servers := talk(t, 3, func(c *Config) { c.SendBatch = false })
	if h.outbox.batch != nil {
		t.Fatal("there is a batch")
	}
	for i, c := range clients {
		c.send(question(i, 50))
	}
	h.events(100)
	for i, s := range servers {
		if got, e := s.recv(); !bytes.Equal(got, question(i, 50)) || e != syscall.EAGAIN {
			t.Errorf("server %d got %q, then %v", i, got, e)
		}
	}
}
