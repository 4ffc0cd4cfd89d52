package loop

import (
	"net"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

// Of whatever happens again and again each part is measured, and the estimate is what it took all together.
func TestMeterSeesEveryPart(t *testing.T) {
	for period := 1; period < lookEvery; period++ {
		var m meter
		took, estimate := 0, 0
		for i := range 1000 * lookEvery * period {
			d := 1
			if i%period == 0 {
				d = 1000 // only one of the parts is long
			}
			took += d
			if m.due() {
				estimate += d * lookEvery
			}
		}
		if took != estimate {
			t.Errorf("period %d: %d of %d", period, estimate, took)
		}
	}
}

// spinning holds up the loop for so long whenever it is shown something.
type spinning time.Duration

func (s spinning) Show(int, bool, []byte) {
	for began := time.Now(); time.Since(began) < time.Duration(s); {
	}
}

// A loop that is held up is busy for as long, and its events are counted.
func TestBusyTime(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		answer := func(c *net.TCPConn) {
			buf := make([]byte, 1)
			for n := 1; n > 0; n, _ = c.Read(buf) {
				c.Write(buf)
			}
		}
		r := newRig(t, poller, []string{serve(t, answer)}, func(c *Config, _ *balance.Plan) { c.Loops = 1 })
		const each, rounds = 200 * time.Microsecond, 20 * lookEvery
		r.TapTo(spinning(each))
		c := r.dial()
		for range rounds {
			c.Write([]byte("x"))
			c.Read(make([]byte, 1))
		}
		counts := r.Totals().Counts
		if got, want := time.Duration(counts[account.BusyTime]), 2*rounds*each; got < want/2 {
			t.Errorf("busy for %v with %v of work", got, want)
		}
		if n := counts[account.Events]; n < rounds-lookEvery {
			t.Errorf("%d events in %d rounds", n, rounds)
		}
	})
}
