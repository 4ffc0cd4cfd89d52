package loop

import "testing"

// waiting is how many timers the wheel of these benchmarks holds beside the one they look at.
const waiting = 10_000

// crowdedWheel has timers on every slot and the next turns, and returns one connection without.
func crowdedWheel() (*wheel, *conn) {
	w, conns := new(wheel), make([]conn, waiting+1)
	for i := range waiting {
		w.set(&conns[i], uint32(1+i*7%(3*wheelSlots)))
	}
	return w, &conns[waiting]
}

// BenchmarkWheelSetAndCancel is what a connect costs that is answered in time.
func BenchmarkWheelSetAndCancel(b *testing.B) {
	w, c := crowdedWheel()
	b.ReportAllocs()
	at := uint32(0)
	for b.Loop() {
		at++
		w.set(c, at)
		w.cancel(c)
	}
}

// BenchmarkWheelSetAgain moves a timer that is set.
func BenchmarkWheelSetAgain(b *testing.B) {
	w, c := crowdedWheel()
	b.ReportAllocs()
	at := uint32(0)
	for b.Loop() {
		at++
		w.set(c, at)
	}
}

// BenchmarkWheelExpire is one tick of a wheel whose timers are all set again for a turn later, as those of connections that have moved are; ns/timer is its share.
func BenchmarkWheelExpire(b *testing.B) {
	w, _ := crowdedWheel()
	b.ReportAllocs()
	expired := 0
	for b.Loop() {
		w.advance(w.now+1, expiryBudget, func(c *conn) {
			expired++
			w.set(c, w.now+wheelSlots)
		})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(expired, 1)), "ns/timer")
}

// BenchmarkWheelIdleTick is one tick with nothing due: it looks at its slot's timers for later turns, of which there are three.
func BenchmarkWheelIdleTick(b *testing.B) {
	w, conns := new(wheel), make([]conn, 3*wheelSlots)
	for i := range conns {
		w.set(&conns[i], uint32(1<<30+i))
	}
	b.ReportAllocs()
	for b.Loop() {
		w.advance(w.now+1, expiryBudget, func(*conn) { b.Fatal("none is due") })
	}
}
