package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// quickBudget and fullBudget are what --quick and an ordinary run aim at, under the minute and the 15 minutes that they promise: the build of pen and slow starts come on top.
	quickBudget = 40 * time.Second
	fullBudget  = 13 * time.Minute
	// stepOverhead is what starting a proxy, opening connections and stopping take besides warm-up and window, on the slow side.
	stepOverhead = 300 * time.Millisecond
	// fillRate is how many clients a second make themselves known to a proxy, on the slow side.
	fillRate = 15_000
	// quickIdle is how many idle connections --quick has time for.
	quickIdle = 1000
)

// pace is how often and how long everything is measured.
type pace struct {
	Rounds int
	Warm   time.Duration
	Window time.Duration
}

// step is the length of one measurement.
func (p pace) step() time.Duration { return p.Warm + p.Window + stepOverhead }

// effort is what there is to measure in a round.
type effort struct {
	cells int           // pairs of workload and peer
	extra time.Duration // what they take in each round besides their windows
	once  time.Duration // what has to be done once before the first round
	more  int           // rounds to be carried out besides those that count
}

// effortOf adds up what has to be done.
func effortOf(workloads []workload, peers []*peer, straced bool) effort {
	var e effort
	for _, w := range workloads {
		for _, p := range peers {
			if !w.suits(p.Kind) {
				continue
			}
			e.cells++
			e.extra += w.Extra
			if w.fills(p.Kind) {
				e.once += time.Duration(w.Known) * time.Second / fillRate
			}
		}
	}
	if straced {
		e.more = 1
	}
	if slices.ContainsFunc(workloads, func(w workload) bool { return w.Share > 0 }) {
		e.once += time.Duration(len(peakPeers(peers))) * (peakWindow + stepOverhead)
	}
	return e
}

// choosePace divides the time among the cells. rounds and seconds, where not zero, are the user's wish and are kept.
func choosePace(e effort, quick bool, rounds int, seconds float64) pace {
	budget, warm, most := fullBudget, 400*time.Millisecond, 5
	shortest, longest := 500*time.Millisecond, 2*time.Second
	if quick {
		budget, warm, most = quickBudget, 150*time.Millisecond, 3
		shortest, longest = 300*time.Millisecond, time.Second
	}
	p := pace{Rounds: rounds, Warm: warm, Window: time.Duration(seconds * float64(time.Second))}
	cells := time.Duration(max(e.cells, 1))
	budget = max(0, budget-e.once)
	if p.Rounds == 0 {
		least := pace{Warm: warm, Window: max(shortest, p.Window)}.step()
		p.Rounds = max(1, min(most, int(budget/(cells*least+e.extra))-e.more))
	}
	if p.Window == 0 {
		perCell := (budget/time.Duration(p.Rounds+e.more) - e.extra) / cells
		p.Window = max(shortest, min(longest, perCell-warm-stepOverhead))
	}
	return p
}

// length is how long the measurements of an effort take, without what is done once before them.
func (p pace) length(e effort) time.Duration {
	return time.Duration(p.Rounds+e.more) * (time.Duration(e.cells)*p.step() + e.extra)
}

// step is one measurement: a cell in a round.
type step struct {
	Round    int
	Workload int // index into plan.Workloads
	Peer     int // index into plan.Peers
}

// plan is everything that will be measured, in order. Constant after newPlan, but for the rates that runner.setRates finds.
type plan struct {
	pace
	Seed      uint64
	Workloads []workload
	Peers     []*peer
	Steps     []step
	Strace    []step // after Steps, those in which system calls are counted
}

// newPlan plans for a machine on which a process may open so many files.
func newPlan(o *options, peers []*peer, files int) *plan {
	p := &plan{
		pace:      choosePace(effortOf(o.workloads, peers, o.strace), o.quick, o.rounds, o.seconds),
		Seed:      o.seed,
		Workloads: slices.Clone(o.workloads),
		Peers:     peers,
	}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		if w.Memory && o.quick {
			w.Shape.Conns = min(w.Shape.Conns, quickIdle)
		}
		// A proxy has two descriptors for each connection, and nginx wants as many again.
		w.Shape.Conns = min(w.Shape.Conns, max(1, files/2-w.Shape.Steady-200))
	}
	p.Steps = order(p.Rounds, p.Workloads, peers, o.seed)
	if o.strace {
		for _, s := range order(1, p.Workloads, peers, o.seed) {
			if w := p.Workloads[s.Workload]; peers[s.Peer].Kind.argv != nil && w.countable() {
				p.Strace = append(p.Strace, s)
			}
		}
	}
	return p
}

// length is how long the measurements will take.
func (p *plan) length() time.Duration {
	return p.pace.length(effortOf(p.Workloads, p.Peers, len(p.Strace) > 0))
}

// countable says that system calls per unit mean something: not where the unit is not what most of the work is for, and not twice for the same work.
func (w workload) countable() bool { return !w.Memory && w.Shape.Steady == 0 && w.Known == 0 }

// order interleaves the rounds: each visits the families of workloads in random order, in each family the workloads and under each the peers in random order, so that what is compared
// with each other is measured close together, and what drifts in the machine falls on each alike.
func order(rounds int, workloads []workload, peers []*peer, seed uint64) []step {
	r := rand.New(rand.NewPCG(seed, 0))
	var families [][]int
	for i, w := range workloads {
		at := slices.IndexFunc(families, func(f []int) bool { return workloads[f[0]].Family == w.Family })
		if at < 0 {
			at, families = len(families), append(families, nil)
		}
		families[at] = append(families[at], i)
	}
	var steps []step
	for round := range rounds {
		for _, f := range r.Perm(len(families)) {
			for _, n := range r.Perm(len(families[f])) {
				w := families[f][n]
				for _, p := range r.Perm(len(peers)) {
					if workloads[w].suits(peers[p].Kind) {
						steps = append(steps, step{round, w, p})
					}
				}
			}
		}
	}
	return steps
}
