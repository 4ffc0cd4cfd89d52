package main

import (
	"errors"
	"os"
	"time"
)

// measure lets the window pass, and samples all counters at its two ends.
func (j job) measure(t *tally, l load) (o outcome, err error) {
	window := l.window
	if window == nil {
		window = func() error {
			t.sleep(j.Window)
			return nil
		}
	}
	var s *strace
	if j.Strace != "" {
		if s, err = startStrace(j.Proxy, j.Strace); err != nil {
			return o, err
		}
		defer s.detach()
	}
	before, err := j.sample(t)
	if err != nil {
		return o, err
	}
	t.from.Store(clock())
	if err := window(); err != nil {
		return o, err
	}
	t.to.Store(clock())
	after, err := j.sample(t)
	if err != nil {
		return o, err
	}
	o = after.since(before)
	if s != nil {
		o.Calls, err = s.Count()
	}
	return o, err
}

// began is where the clock starts.
var began = time.Now()

// clock is the nanoseconds since this process began, on a clock that never jumps.
func clock() int64 { return int64(time.Since(began)) }

// sample is the state of all counters at one instant.
type sample struct {
	at                   time.Time
	units                int64
	proxy, servers, load usage
	busy                 time.Duration
	switches             switches
}

// sample is taken here, in the load child, because this is where the units are counted: both ends of the window then mean the same instant for units and CPU time.
func (j job) sample(t *tally) (sample, error) {
	all, err := readStats()
	if err != nil {
		return sample{}, err
	}
	s := sample{at: time.Now(), units: t.units.Load(), busy: busyTime(contents("/proc/stat"))}
	if j.Proxy != 0 {
		tree := treeOf(all, j.Proxy)
		if len(tree) == 0 {
			return sample{}, errors.New("the proxy has ended")
		}
		s.proxy, s.switches = usageOf(tree), switchesOf(tree)
	}
	s.servers = usageOf(treeOf(all, j.Servers))
	s.load = usageOf(treeOf(all, os.Getpid()))
	return s, nil
}

func (s sample) since(o sample) outcome {
	return outcome{
		Units:   s.units - o.units,
		Elapsed: s.at.Sub(o.at),
		Proxy:   s.proxy.since(o.proxy),
		Servers: s.servers.since(o.servers),
		Load:    s.load.since(o.load),
		Busy:    s.busy - o.busy,
		Switch:  s.switches.since(o.switches),
	}
}
