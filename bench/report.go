package main

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cell is one peer's rounds of one workload.
type cell struct {
	Rounds []measurement
}

func (c *cell) failures() int {
	n := 0
	for _, m := range c.Rounds {
		if !m.valid() {
			n++
		}
	}
	return n
}

// last is the latest round. The cell has one.
func (c *cell) last() measurement { return c.Rounds[len(c.Rounds)-1] }

// byRound is a figure of each valid round that tells it.
func (c *cell) byRound(f figure) map[int]float64 {
	values := map[int]float64{}
	for _, m := range c.Rounds {
		if v, told := f(m); told && m.valid() {
			values[m.Round] = v
		}
	}
	return values
}

// values are those of byRound, in the order of the rounds.
func (c *cell) values(f figure) []float64 {
	by := c.byRound(f)
	var v []float64
	for _, m := range c.Rounds {
		if x, told := by[m.Round]; told {
			v = append(v, x)
		}
	}
	return v
}

func (c *cell) spread(f figure) spread { return spreadOf(c.values(f)) }

// ratio is reference ÷ c, pair by pair.
func (c *cell) ratio(reference *cell, f figure) spread {
	return spreadOf(pairedRatios(reference.byRound(f), c.byRound(f)))
}

// report is all that was found. Owned by one goroutine.
type report struct {
	Interrupted bool
	Took        time.Duration // the whole run, once it is over

	plan       *plan
	opts       *options
	missing    []missingPeer
	machine    machine
	conditions conditions
	cells      [][]*cell // by workload and peer
	before     *comparison
}

// conditions are those settings of the machine and of the harness that figures depend on, beside the machine itself.
type conditions struct {
	Congestion string `json:"congestion_control"` // sysctl net.ipv4.tcp_congestion_control
	MaxProcs   int    `json:"gomaxprocs"`
	Checkout   string `json:"checkout"` // commit of the working directory, from which pen is built unless --pen says otherwise; with a + if it had changes
}

func theseConditions() conditions {
	return conditions{Congestion: firstLine(contents("/proc/sys/net/ipv4/tcp_congestion_control")), MaxProcs: runtime.GOMAXPROCS(0), Checkout: checkout()}
}

// checkout asks git, because a binary knows its commit only if the go command was let stamp it.
func checkout() string {
	c := exec.Command("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+")
	c.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0")
	said, err := c.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(said))
}

func newReport(o *options, m machine, p *plan, missing []missingPeer) *report {
	r := &report{plan: p, opts: o, missing: missing, machine: m, conditions: theseConditions()}
	for range p.Workloads {
		row := make([]*cell, len(p.Peers))
		for i := range row {
			row[i] = &cell{}
		}
		r.cells = append(r.cells, row)
	}
	return r
}

func (r *report) cell(workload, peer int) *cell { return r.cells[workload][peer] }

// reference is the index of the peer that the others are compared with: the first pen, or failing that the first proxy.
func (r *report) reference() int {
	if i := slices.IndexFunc(r.plan.Peers, func(p *peer) bool { return p.Kind.name == "pen" }); i >= 0 {
		return i
	}
	return max(0, slices.IndexFunc(r.plan.Peers, func(p *peer) bool { return !p.direct() }))
}

// yardstick says that a peer is no proxy that anyone would use, but a limit to measure by.
func (p *peer) yardstick() bool { return p.Kind.baseline }

// rival says that a peer is one that the reference would be ahead of.
func (r *report) rival(i int) bool {
	p := r.plan.Peers[i]
	return i != r.reference() && !p.yardstick() && p.Kind.name != "pen"
}

func (r *report) failed() bool {
	for _, row := range r.cells {
		for _, c := range row {
			if c.failures() > 0 {
				return true
			}
		}
	}
	return false
}

// families are the indices of the workloads, those of one family together, in the order in which the families appear.
func (r *report) families() [][]int {
	var all [][]int
	at := map[string]int{}
	for w, l := range r.plan.Workloads {
		i, seen := at[l.Family]
		if !seen {
			i = len(all)
			at[l.Family] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], w)
	}
	return all
}
