package loop

import (
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
)

// Many more clients than the limit admits, over several loops: the limit holds at every moment, nobody is forgotten, and no mark is left behind.
func TestLimitHoldsAndEverybodyIsServedInTheEnd(t *testing.T) {
	const limit, crowd, visits = 5, 60, 5
	eachPoller(t, func(t *testing.T, poller string) {
		var seen peak
		r := newRig(t, poller, []string{serve(t, seen.serve)}, func(c *Config, _ *balance.Plan) { c.MaxConns, c.Loops = limit, 3 })
		r.crowd(crowd, visits)
		if n := seen.most.Load(); n > limit {
			t.Errorf("the server saw %d connections at once, the limit is %d", n, limit)
		}
		totals := r.Totals()
		if n := totals.Counts[account.Accepted]; n != crowd*visits {
			t.Errorf("%d connections accepted, %d were made", n, crowd*visits)
		}
		if totals.Counts[account.LimitReached] == 0 {
			t.Error("the limit was never reached: nothing was tested")
		}
		until(t, func() bool { return r.gate.waiting.Load() == 0 }, func() any { return r.gate.waiting.Load() }, "loops that wait for room", 0)
		for i, l := range r.loops {
			if l.starved.waiting.Load() {
				t.Errorf("loop %d is marked as waiting", i)
			}
		}
	})
}
