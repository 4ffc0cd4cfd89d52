package loop

import (
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

// idlers gives the loop so many idlers and takes their connections at the server.
func (h *hand) standIdlers(f *farm, n int) (servers []*peer) {
	h.t.Helper()
	h.startTicking()
	h.until(func() bool { return h.idlers == n }, "the idlers stand")
	for range n {
		servers = append(servers, f.take())
	}
	h.calm()
	return servers
}

// What an idler's server sends may be more than a turn's budget, with its end behind it: no further event will come.
// Where net.core.rmem_max does not let a receive buffer hold that much, the case cannot arise and the test shows nothing.
func TestIdlerSeesTheEndBehindMoreThanABudget(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(_ *Config, p *balance.Plan) { p.Idlers = 1 })
	server := h.standIdlers(f, 1)[0]
	syscall.SetsockoptInt(int(h.only().server.fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4*turnBytes)
	rest := noise(turnBytes + turnBytes/4)
	left := func() int { n, _ := sys.Unsent(int(*server)); return n + len(rest) }
	for quiet := 0; left() > 0 && quiet < 100; quiet++ {
		if n := server.send(rest); n > 0 {
			rest, quiet = rest[n:], 0
		}
		time.Sleep(100 * time.Microsecond) // the sender's own pace
	}
	server.shut()
	h.until(func() bool { return h.totals().Ended[account.ServerFin] == 1 }, "the idler's end is seen")
}

// No event is believed: a writable socket is no client that has said something.
func TestDummyAnswersOnlyThoseWhoHaveSpoken(t *testing.T) {
	h := newHand(t, nil, func(_ *Config, p *balance.Plan) { p.Dummy = true })
	client := h.dial()
	h.calm()
	h.event(int(h.only().client.fd), 0, sys.Out)
	if h.live != 1 {
		t.Error("a client that has said nothing was answered")
	}
	client.send([]byte("hello?"))
	h.until(func() bool { return h.live == 0 }, "the client is answered")
	if got, e := client.recv(); string(got) != dummyAnswer || e != 0 {
		t.Errorf("read %q, then %v", got, e)
	}
}

// The listener may move while accepting rests for want of descriptors: the rest goes on, and the spare descriptor comes back with its end.
func TestListenerMovesDuringAPause(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	h.lendSpare(syscall.EMFILE)
	cfg := *h.cfg
	fds, err := listen(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.at, _ = sys.LocalAddr(fds[0].Int())
	h.moveTo(fds[0], false)
	h.dial()
	h.until(func() bool { return h.live == 1 }, "the client is accepted")
	if h.spare.Int() < 0 {
		t.Error("the spare descriptor is gone for good")
	}
}
