package loop

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"pen/internal/balance"
)

// What clients say is left in the kernel while a server that has let one wait is asked, and every so often that server is tried again.
func TestServersThatLetOneWaitAreGreetedLater(t *testing.T) {
	h := newHand(t, []string{blackHole(t)}, func(_ *Config, p *balance.Plan) { p.ConnectTimeout = time.Hour })
	read := func() (n int) {
		for c := range h.connections() {
			if c.up.tail != nil {
				n++
			}
		}
		return n
	}
	for i := range 2*distantConnects + 3 {
		h.dial().send([]byte("question"))
		h.accept()
		if want := 1 + i/(distantConnects+1); h.live != i+1 || read() != want {
			t.Fatalf("of %d clients %d were read ahead of their server's answer, want %d", h.live, read(), want)
		}
	}
}

// Whoever was not read while he waited is heard in full, by the server that takes him.
func TestUngreetedClientsAreHeard(t *testing.T) {
	good := newFarm(t)
	h := newHand(t, []string{blackHole(t), good.addr}, func(_ *Config, p *balance.Plan) {
		p.Prio, p.ConnectTimeout, p.BlacklistTime = true, 50*time.Millisecond, 0
	})
	question := bytes.Repeat([]byte("question "), 100)
	var clients []*peer
	for range 3 {
		c := h.dial()
		c.send(question)
		h.accept()
		clients = append(clients, c)
	}
	for c := range h.connections() {
		h.until(func() bool { return c.state == forwarding }, "the next server is connected")
	}
	h.calm()
	for range clients {
		server := good.take()
		if got, e := server.recv(); !bytes.Equal(got, question) || e != syscall.EAGAIN {
			t.Errorf("a server got %d bytes of %d, then %v", len(got), len(question), e)
		}
	}
}
