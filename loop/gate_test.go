package loop

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

// Many more clients than the limit admits, over several loops: the limit holds at every moment, nobody is forgotten, and no mark is left behind.
func TestLimitHoldsAndEverybodyIsServedInTheEnd(t *testing.T) {
	const limit, crowd, visits = 5, 60, 5
	eachPoller(t, func(t *testing.T, poller string) {
		var live, most atomic.Int32
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			n := live.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			io.ReadFull(c, make([]byte, 2))
			live.Add(-1) // before the answer, which lets the balancer close
			io.WriteString(c, "ok")
		})}, func(c *Config, _ *balance.Plan) { c.MaxConns, c.Loops = limit, 3 })
		var clients sync.WaitGroup
		for range crowd {
			clients.Go(func() {
				for range visits {
					c, err := net.DialTimeout("tcp", r.Addr().String(), patience)
					if err != nil {
						t.Error(err)
						return
					}
					c.SetDeadline(time.Now().Add(patience))
					io.WriteString(c, "hi")
					if got, err := io.ReadAll(c); string(got) != "ok" {
						t.Errorf("read %q, %v", got, err)
					}
					c.Close()
				}
			})
		}
		clients.Wait()
		until(t, func() bool { return r.Live() == 0 }, func() any { return r.Live() }, "connections", 0)
		if n := most.Load(); n > limit {
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
