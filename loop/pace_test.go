package loop

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

func TestPaceConforms(t *testing.T) {
	const now = 1_000_000
	p := &pace{interval: 100, burst: 300}
	for _, test := range []struct {
		name               string
		ahead, since, then int64
		wait               int64
	}{
		{"the first of all", 0, now, now + 100, 0},
		{"the first after a while", now - 5000, now, now + 100, 0},
		{"behind one that came just now", now + 100, now, now + 200, 0},
		{"the last of a burst", now + 200, now, now + 300, 0},
		{"one more", now + 300, now, now + 300, 100},
		{"one more, almost in time", now + 201, now, now + 201, 1},
		{"what was saved up before a rest is lost", now - 5000, now - 150, now - 50, 0},
		{"what was saved up in it is not", now - 120, now - 150, now - 20, 0},
	} {
		if then, wait := p.conform(test.ahead, test.since, now); then != test.then || wait != test.wait {
			t.Errorf("%s: %d ahead, wait %d; want %d and %d", test.name, then-now, wait, test.then-now, test.wait)
		}
	}
}

// Loops that come back from their rests late, each at a moment of its own, let in as many as the rate says all the same, and never more at once than the burst and what a rest has saved up.
func TestPaceIsKeptOverLateRests(t *testing.T) {
	for _, rate := range []int{1, 3, 7, 10, 99, 1000, 12345} {
		p := paceOf(&balance.Plan{AcceptRate: rate, AcceptBurst: max(1, rate/10)})
		var ahead, let int64
		const begin, seconds = int64(time.Hour), 100
		resume := [2]int64{begin, begin + int64(37*time.Millisecond)} // of two loops
		for late := int64(0); ; {
			i := 0
			if resume[1] < resume[0] {
				i = 1
			}
			now := resume[i]
			if now > begin+seconds*int64(time.Second) {
				break
			}
			for {
				then, wait := p.conform(ahead, now-restMost, now)
				if wait > 0 {
					late = (late*31 + 17) % int64(tick/2)
					resume[i] = now + (wait/int64(tick)+1)*int64(tick) + late
					break
				}
				ahead = then
				let++
			}
		}
		if want := float64(rate * seconds); float64(let) < 0.98*want-2 || float64(let) > 1.02*want+float64(p.burst/p.interval)+2 {
			t.Errorf("at %d a second %d came in %d s", rate, let, seconds)
		}
	}
}

func TestNoPaceIsAny(t *testing.T) {
	if p := paceOf(&balance.Plan{AcceptBurst: 1}); p != nil {
		t.Errorf("%+v", p)
	}
}

// More clients than the rate lets in: they wait and are served later, none is lost, and a rate that is lifted holds at once.
func TestClientsBeyondTheRateAreServedLater(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const rate, burst, crowd = 40, 4, 44
		r := newRig(t, poller, []string{serve(t, named("ok"))}, func(_ *Config, p *balance.Plan) { p.AcceptRate, p.AcceptBurst = rate, burst })
		served := func(n int) time.Duration {
			began := time.Now()
			var clients sync.WaitGroup
			for range n {
				c := r.dial()
				clients.Go(func() {
					if got, err := io.ReadAll(c); string(got) != "ok" || err != nil {
						t.Errorf("read %q, %v", got, err)
					}
					c.Close()
				})
			}
			clients.Wait()
			return time.Since(began)
		}
		if took, least := served(crowd), (crowd-burst)*time.Second/rate-2*tick; took < least || took > 2*least {
			t.Errorf("%d clients at %d a second took %v", crowd, rate, took)
		}
		if n := r.Totals().Counts[account.RateReached]; n == 0 {
			t.Error("nothing is counted")
		}
		r.change(func(p *balance.Plan) { p.AcceptRate, p.AcceptBurst = 1, 1 })
		served(1)
		reached := r.Totals().Counts[account.RateReached]
		waiting := r.dial()
		until(t, func() bool { return r.Totals().Counts[account.RateReached] > reached }, func() any { return reached }, "rests", "one more")
		r.change(func(p *balance.Plan) { p.AcceptRate = 0 })
		if got, err := io.ReadAll(waiting); string(got) != "ok" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// A drain takes the clients that wait: behind a closed listener they would be lost.
func TestDrainTakesThoseWhoWaitForTheRate(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, named("ok"))}, func(_ *Config, p *balance.Plan) { p.AcceptRate, p.AcceptBurst = 1, 1 })
		var clients []net.Conn
		for range 10 {
			clients = append(clients, r.dial())
		}
		until(t, func() bool { return r.Totals().Counts[account.RateReached] > 0 }, func() any { return 0 }, "accept_rate_reached", "at least 1")
		r.Drain()
		for _, c := range clients {
			if got, err := io.ReadAll(c); string(got) != "ok" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			c.Close()
		}
		r.Wait()
	})
}
