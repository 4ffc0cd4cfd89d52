package main

import (
	"runtime"
	"slices"
	"time"
)

const (
	// markEvery is how often the steady load beside a storm is looked at.
	markEvery = 5 * time.Millisecond
	// stormLimit is how long a connection of the storm may take until it counts as failed: longer than the second after which a SYN that was dropped is sent again.
	stormLimit = 3 * time.Second
	// stormCalm is how long at least the steady load is watched before the storm, and again after it.
	stormCalm = 400 * time.Millisecond
	// stormWatch is how long at most the steady load is watched after the storm.
	stormWatch = 3 * time.Second
)

// driveStorm keeps a keep-alive load on Steady connections going all the time, which is what counts as units. In the middle of the window it begins to open Conns connections at
// once, and watches how many are served and when the steady load is what it was before.
func driveStorm(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	calm := j
	calm.Shape.Conns, calm.Shape.HangUp = j.Shape.Steady, false
	steady, err := driveKeepalive(calm, t)
	if err != nil {
		return load{}, err
	}
	half := max(j.Window/2, stormCalm)
	// The storm's one thread waits in the kernel beside the event loops.
	ownThreads(runtime.NumCPU())
	var found storm
	return load{
		window: func() error {
			m := startMarks(t)
			defer m.Stop()
			t.sleep(half)
			b, err := newBurst(j.Shape, to, stormLimit)
			if err != nil {
				return err
			}
			began := clock()
			found, err = b.run(t)
			ended := clock()
			for err == nil {
				t.sleep(half)
				back, ok := recovery(m.Copy(), began, ended)
				if watched := time.Duration(clock() - ended); ok || watched > stormWatch || t.isBroken() {
					found.Recovery = back.Seconds()
					break
				}
			}
			return err
		},
		finish: func(o *outcome) error {
			o.Storm = &found
			return steady.finish(o)
		},
	}, nil
}

// mark is the state of the steady load at one instant.
type mark struct {
	at    int64 // by clock
	units int64
}

// marks looks at the steady load from time to time.
type marks struct {
	stop, stopped chan struct{}
	copies        chan []mark
}

func startMarks(t *tally) *marks {
	m := &marks{make(chan struct{}), make(chan struct{}), make(chan []mark)}
	go m.run(t)
	return m
}

func (m *marks) run(t *tally) {
	defer close(m.stopped)
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	var all []mark
	for {
		select {
		case <-tick.C:
			all = append(all, mark{clock(), t.units.Load()})
		case m.copies <- slices.Clone(all):
		case <-m.stop:
			return
		}
	}
}

// Copy returns the marks so far.
func (m *marks) Copy() []mark { return <-m.copies }

func (m *marks) Stop() {
	close(m.stop)
	<-m.stopped
}

const (
	// recovered is the share of its rate before the storm at which the steady load counts as back: what is lost in noise between two spans on a busy machine is less.
	recovered = 0.9
	// recoverySpan is the time over which a rate is taken.
	recoverySpan = 50 * time.Millisecond
)

// recovery is the time from the beginning of a storm until the steady load is back at its rate before, looked for from its lowest point during the storm on. ok is false if it was not
// seen to be back; the time is then that for which it was watched. Marks are in order.
func recovery(all []mark, began, ended int64) (back time.Duration, ok bool) {
	start, _ := slices.BinarySearchFunc(all, began, func(m mark, at int64) int { return int(m.at - at) })
	if start < 2 || start == len(all) {
		return 0, false
	}
	before := rateBetween(all[0], all[start-1])
	lowest, at := before, start
	rates := make([]float64, 0, len(all)-start)
	for i, end := start, start; ; i++ {
		for end < len(all) && all[end].at-all[i].at < int64(recoverySpan) {
			end++
		}
		if end == len(all) {
			break
		}
		rates = append(rates, rateBetween(all[i], all[end]))
		if r := rates[i-start]; r < lowest && all[i].at <= ended {
			lowest, at = r, i
		}
	}
	if lowest >= recovered*before && len(rates) > 0 {
		return 0, true
	}
	for i := at; i-start < len(rates); i++ {
		if rates[i-start] >= recovered*before {
			return time.Duration(all[i].at - began), true
		}
	}
	return time.Duration(all[len(all)-1].at - began), false
}

func rateBetween(a, b mark) float64 { return float64(b.units-a.units) / float64(b.at-a.at) }
