package account

import (
	"sync/atomic"
	"time"
)

// Bounds are the largest times of the classes that times are counted in; what took longer than the last is in a class of its own. A connect within a rack takes about 100 µs;
// one second and more tell of a SYN that was lost and sent again.
var Bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

const nClasses = len(Bounds) + 1

// class is the place of the class that a time belongs to. Most are short, and found at once.
func class(d time.Duration) int {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	return i
}

// times counts how long something took. Written by one loop only, read by anyone.
type times struct {
	// atomic
	classes [nClasses]atomic.Uint64
	sum     atomic.Uint64 // ns
}

func (t *times) add(d time.Duration) {
	n := &t.classes[class(d)]
	n.Store(n.Load() + 1)
	t.sum.Store(t.sum.Load() + uint64(d))
}

// Times is how long something took, each time it happened.
type Times struct {
	Classes [nClasses]uint64 // how many, by Bounds
	Sum     time.Duration
}

func (t *Times) include(of *times) {
	for i := range of.classes {
		t.Classes[i] += of.classes[i].Load()
	}
	t.Sum += time.Duration(of.sum.Load())
}

// Count is how often it happened.
func (t *Times) Count() (n uint64) {
	for _, of := range t.Classes {
		n += of
	}
	return n
}

// Quantile is the time that the share q of all took at most, 0 if there were none. Within a class times are taken to be spread evenly, and those beyond the last bound are given as that bound, both as by
// Prometheus's histogram_quantile.
func (t *Times) Quantile(q float64) time.Duration {
	rank, below, from := q*float64(t.Count()), 0.0, time.Duration(0)
	for i, to := range Bounds {
		n := float64(t.Classes[i])
		if n > 0 && below+n >= rank {
			return from + time.Duration(float64(to-from)*(rank-below)/n)
		}
		below, from = below+n, to
	}
	if below == 0 && t.Classes[nClasses-1] == 0 {
		return 0
	}
	return Bounds[len(Bounds)-1]
}
