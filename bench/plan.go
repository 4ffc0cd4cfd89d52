package main

import (
	"math/rand/v2"
	"time"
)

const (
	// quickBudget and fullBudget are what --quick and an ordinary run aim at, under the minute and the 10 minutes that they promise: the build of pen and slow starts come on top.
	quickBudget = 45 * time.Second
	fullBudget  = 8*time.Minute + 30*time.Second
	// stepOverhead is what starting a proxy, opening connections and stopping take besides warm-up and window, on the slow side.
	stepOverhead = 300 * time.Millisecond
)

// pace is how often and how long everything is measured.
type pace struct {
	Rounds int
	Warm   time.Duration
	Window time.Duration
}

// step is the length of one measurement.
func (p pace) step() time.Duration { return p.Warm + p.Window + stepOverhead }

// choosePace divides the time among cells (pairs of workload and peer). rounds and seconds, where not zero, are the user's wish and are kept.
func choosePace(cells int, quick bool, rounds int, seconds float64) pace {
	budget, warm, most := fullBudget, 500*time.Millisecond, 5
	shortest, longest := 500*time.Millisecond, 2*time.Second
	if quick {
		budget, warm, most = quickBudget, 200*time.Millisecond, 3
		shortest, longest = 300*time.Millisecond, time.Second
	}
	p := pace{Rounds: rounds, Warm: warm, Window: time.Duration(seconds * float64(time.Second))}
	perCell := budget / time.Duration(max(cells, 1))
	if p.Rounds == 0 {
		least := pace{Warm: warm, Window: max(shortest, p.Window)}.step()
		p.Rounds = max(1, min(most, int(perCell/least)))
	}
	if p.Window == 0 {
		p.Window = max(shortest, min(longest, perCell/time.Duration(p.Rounds)-warm-stepOverhead))
	}
	return p
}

// step is one measurement: a cell in a round.
type step struct {
	Round    int
	Workload int // index into plan.Workloads
	Peer     int // index into plan.Peers
}

// plan is everything that will be measured, in order. Constant after newPlan.
type plan struct {
	pace
	Seed      uint64
	Workloads []workload
	Peers     []*peer
	Steps     []step
}

func newPlan(o *options, peers []*peer) *plan {
	p := &plan{
		pace:      choosePace(len(o.workloads)*len(peers), o.quick, o.rounds, o.seconds),
		Seed:      o.seed,
		Workloads: o.workloads,
		Peers:     peers,
	}
	p.Steps = order(p.Rounds, len(o.workloads), len(peers), o.seed)
	return p
}

// order interleaves the rounds: each visits the workloads in random order, and under each the peers in random order, so that what is compared with each other is measured close
// together, and what drifts in the machine falls on each peer alike.
func order(rounds, workloads, peers int, seed uint64) []step {
	r := rand.New(rand.NewPCG(seed, 0))
	var steps []step
	for round := range rounds {
		for _, w := range r.Perm(workloads) {
			for _, p := range r.Perm(peers) {
				steps = append(steps, step{round, w, p})
			}
		}
	}
	return steps
}
