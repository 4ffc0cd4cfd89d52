package loop

import (
	"math/rand/v2"
	"testing"
)

// The wheel against a plain list of deadlines.
func TestWheelExpiresWhatAListWould(t *testing.T) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var w wheel
	conns := make([]conn, 300)
	due := map[*conn]uint32{}
	for step := range 20_000 {
		c := &conns[rnd.IntN(len(conns))]
		switch rnd.IntN(3) {
		case 0:
			at := w.now + 1 + uint32(rnd.IntN(3*wheelSlots))
			w.set(c, at)
			due[c] = at
		case 1:
			w.cancel(c)
			delete(due, c)
		case 2:
			to := w.now + uint32(rnd.IntN(40))
			w.advance(to, len(conns)+1, func(c *conn) {
				if at, ok := due[c]; !ok || at > to {
					t.Fatalf("seed %d step %d: expired at %d what is due at %d (%v)", seed, step, to, at, ok)
				}
				delete(due, c)
			})
			for _, at := range due {
				if at <= to {
					t.Fatalf("seed %d step %d: due at %d, not expired at %d", seed, step, at, to)
				}
			}
		}
		if w.count != len(due) {
			t.Fatalf("seed %d step %d: the wheel counts %d timers, %d are set", seed, step, w.count, len(due))
		}
	}
}

func TestWheelKeepsItsBudgetAndLosesNothing(t *testing.T) {
	var w wheel
	conns := make([]conn, 100)
	for i := range conns {
		w.set(&conns[i], 5)
	}
	expired := 0
	for turn := 1; turn <= 10; turn++ {
		w.advance(50, 10, func(*conn) { expired++ })
		if expired != 10*turn {
			t.Fatalf("%d expired after %d turns with a budget of 10", expired, turn)
		}
	}
	w.advance(50, 10, func(*conn) { expired++ })
	if expired != 100 || w.now != 50 || w.count != 0 {
		t.Errorf("expired %d, now %d, count %d", expired, w.now, w.count)
	}
}

func TestTimerSetAgainWhileExpiringRunsAgainLater(t *testing.T) {
	var w wheel
	var c conn
	w.set(&c, 3)
	runs := 0
	w.advance(10, 100, func(c *conn) {
		if runs++; runs == 1 {
			w.set(c, w.now+wheelSlots) // the same slot, a turn on
		}
	})
	if runs != 1 {
		t.Fatalf("ran %d times by tick 10", runs)
	}
	w.advance(3+wheelSlots, 100, func(*conn) { runs++ })
	if runs != 2 {
		t.Errorf("ran %d times by its second deadline", runs)
	}
}
