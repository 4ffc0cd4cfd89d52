package loop

import (
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

// When more expires at once than a tick's budget the wheel lags behind the present; a timeout set meanwhile counts from the present all the same, or a healthy server would be given up too early.
func TestTimeoutsSetWhileTheWheelLagsAreNotCutShort(t *testing.T) {
	h := newHand(t, []string{newFarm(t).addr}, nil)
	h.startTicking()
	h.cfg.epoch = h.cfg.epoch.Add(-5 * time.Second) // as if it had ticked for as long
	crowd := make([]conn, 10*expiryBudget)
	for i := range crowd {
		crowd[i].state = dead
		h.wheel.set(&crowd[i], h.wheel.now+1)
	}
	h.tick()
	if h.wheel.count == 0 {
		t.Fatal("the wheel does not lag")
	}
	var c conn
	h.setTimer(&c, time.Second)
	if least := h.present() + ticks(time.Second); c.due < least {
		t.Errorf("a second's timeout is due %d ticks early", least-c.due)
	}
	h.cancelTimer(&c)
	h.enterState(&c, dead)
	if now := h.present(); c.active != now {
		t.Errorf("a state entered at tick %d is noted at %d", now, c.active)
	}
	for i := range crowd {
		h.cancelTimer(&crowd[i])
	}
}

// The handshake is over and its event waits behind the tick's in the same batch: the server has answered in time.
func TestConnectThatStandsWhenItsTimeIsUpIsNoFailure(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, step)
	h.dial()
	h.accept()
	c := h.only()
	if c.state != connecting {
		t.Fatalf("state %d, expected the connect to be under way", c.state)
	}
	f.take() // the handshake is over
	c.active -= h.timeouts.connect + 1
	h.expire(c)
	if c.state != forwarding {
		t.Errorf("state %d, expected forwarding", c.state)
	}
	totals := h.totals()
	if n, failures := totals.Counts[account.TimedOut], h.slots.Get(h.plan.Servers[0].ID).Failures(); n != 0 || failures != 0 {
		t.Errorf("%d connects timed out, the server is blamed for %d", n, failures)
	}
}

// A deadline farther off than a turn of the wheel stays in its slot for another turn.
func TestIdleTimeoutLongerThanATurnOfTheWheel(t *testing.T) {
	const timeout = 3*wheelSlots*tick + 7*tick
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(_ *Config, p *balance.Plan) { p.IdleTimeout = timeout })
	client, server := h.pair(f)
	pass := func(n uint32) { // so many ticks pass
		h.cfg.epoch = h.cfg.epoch.Add(-time.Duration(n) * tick)
		h.tick()
	}
	for range 40 {
		pass(100) // in all longer than the timeout, with traffic between
		client.send([]byte("x"))
		h.until(func() bool { got, _ := server.recv(); return len(got) == 1 }, "the byte arrives")
	}
	pass(ticks(timeout) - 20)
	if h.live != 1 {
		t.Fatal("reaped before its time")
	}
	pass(40)
	if h.live != 0 {
		t.Error("not reaped after its time")
	}
	if got := h.ended(); got != account.Idle {
		t.Errorf("ended as %v", got)
	}
}
