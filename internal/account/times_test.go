package account

import (
	"testing"
	"time"
)

func TestClasses(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-time.Second: 0, 0: 0, 50 * time.Microsecond: 0, 50*time.Microsecond + 1: 1, time.Millisecond: 4, 10 * time.Second: len(Bounds) - 1, 10*time.Second + 1: len(Bounds), 1 << 62: len(Bounds),
	} {
		if got := class(d); got != want {
			t.Errorf("%v is of class %d, want %d", d, got, want)
		}
	}
	for i := range Bounds[1:] {
		if Bounds[i] >= Bounds[i+1] {
			t.Errorf("bound %d is not below the next", i)
		}
	}
}

func TestQuantiles(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		name     string
		took     []time.Duration
		p50, p99 time.Duration
	}{
		{"none", nil, 0, 0},
		{"one in the first class", []time.Duration{30 * us}, 25 * us, 49500},
		{"one in another", []time.Duration{700 * us}, 750 * us, 995 * us},
		{"two apart", []time.Duration{30 * us, 700 * us}, 50 * us, 990 * us},
		{"an empty class between", []time.Duration{30 * us, 30 * us, 700 * us, 700 * us}, 50 * us, 990 * us},
		{"all too long", []time.Duration{11 * time.Second, time.Hour}, 10 * time.Second, 10 * time.Second},
		{"one of ten too long", append(make([]time.Duration, 9), time.Hour), 27777, 10 * time.Second},
	} {
		var l times
		var sum time.Duration
		for _, d := range c.took {
			l.add(d)
			sum += d
		}
		var got Times
		got.include(&l)
		if got.Count() != uint64(len(c.took)) || got.Sum != sum {
			t.Errorf("%s: %d, together %v", c.name, got.Count(), got.Sum)
		}
		if p50, p99 := got.Quantile(.5), got.Quantile(.99); p50.Round(us) != c.p50.Round(us) || p99.Round(us) != c.p99.Round(us) {
			t.Errorf("%s: p50 %v, p99 %v; want %v, %v", c.name, p50, p99, c.p50, c.p99)
		}
	}
}
