package main

import (
	"fmt"
	"math"
	"strings"
)

// change is how a figure of one peer differs between two runs.
type change struct {
	Ratio   spread // now ÷ before
	Steady  spread // the same, of the figure divided round by round by that of the yardsticks: less what the machine itself has become faster or slower by
	Decided string // in words
}

// changed is one peer's row of a comparison.
type changed struct {
	Workload string
	Peer     string
	Gauge    string
	change
}

// comparison is a run beside an earlier one of the same peers and workloads.
type comparison struct {
	Old         *jsonReport
	Now         *jsonReport
	Yardsticks  []string // those that both runs have
	Differences []string
	Rows        []changed
}

// compareWith compares r with an earlier run.
func (r *report) compareWith(old *jsonReport) *comparison {
	now := r.document()
	c := &comparison{Old: old, Now: now, Differences: differences(old, now)}
	for _, p := range r.plan.Peers {
		if p.yardstick() && old.peer(p.Label).Name != "" {
			c.Yardsticks = append(c.Yardsticks, p.Label)
		}
	}
	for w, l := range r.plan.Workloads {
		c.Differences = append(c.Differences, r.offeredElse(w, old)...)
		for _, g := range r.gauges(w) {
			for i, p := range r.plan.Peers {
				before := old.cell(l.Name, p.Label)
				if before == nil {
					continue
				}
				ch := compareCells(before, r.cell(w, i), c.steps(l.Name, p.Label, old), c.steps(l.Name, p.Label, now), g)
				if ch.Ratio.N > 0 {
					c.Rows = append(c.Rows, changed{l.Name, p.Label, g.Name, ch})
				}
			}
		}
	}
	return c
}

// offeredElse says if requests came at another rate before: latencies at different rates are not alike.
func (r *report) offeredElse(w int, old *jsonReport) []string {
	const alike = 0.03
	l := r.plan.Workloads[w]
	for i, p := range r.plan.Peers {
		before := old.cell(l.Name, p.Label)
		if before == nil {
			continue
		}
		was, is := before.spread(offeredRate), r.cell(w, i).spread(offeredRate)
		if was.N > 0 && is.N > 0 && math.Abs(is.Median/was.Median-1) > alike {
			return []string{fmt.Sprintf("offered rate of %s: %s before, %s now (--peak keeps it)", l.Name, l.Unit.rate(was.Median), l.Unit.rate(is.Median))}
		}
	}
	return nil
}

// steps are the cells of the yardsticks, but for the peer itself, in one run's workload.
func (c *comparison) steps(workload, peer string, in *jsonReport) []*cell {
	var cells []*cell
	for _, y := range c.Yardsticks {
		if y != peer {
			cells = append(cells, in.cell(workload, y))
		}
	}
	return cells
}

// compareCells compares one peer's figure. stepsBefore and stepsNow are the yardsticks' cells, the same ones in both.
func compareCells(before, now *cell, stepsBefore, stepsNow []*cell, g gauge) change {
	ch := change{Ratio: unpairedRatio(now.values(g.of), before.values(g.of))}
	// Only a yardstick that has the figure in both runs can tell a drift.
	var b, n []map[int]float64
	for i := range stepsBefore {
		if stepsBefore[i] == nil || stepsNow[i] == nil {
			continue
		}
		x, y := stepsBefore[i].byRound(g.of), stepsNow[i].byRound(g.of)
		if len(x) > 0 && len(y) > 0 {
			b, n = append(b, x), append(n, y)
		}
	}
	if len(b) > 0 {
		ch.Steady = unpairedRatio(pairedRatios(now.byRound(g.of), geometricMean(n)), pairedRatios(before.byRound(g.of), geometricMean(b)))
	}
	judged := ch.Steady
	if judged.N == 0 {
		judged = ch.Ratio
	}
	ch.Decided = changeWord(judged, g.less)
	return ch
}

// geometricMean is the mean, round by round, of those rounds that all have.
func geometricMean(all []map[int]float64) map[int]float64 {
	mean := map[int]float64{}
	for round := range all[0] {
		sum, complete := 0.0, true
		for _, values := range all {
			complete = complete && values[round] > 0
			sum += math.Log(values[round])
		}
		if complete {
			mean[round] = math.Exp(sum / float64(len(all)))
		}
	}
	return mean
}

func changeWord(ratio spread, less bool) string {
	var w string
	switch {
	case ratio.N == 0:
		return ""
	case ratio.Low <= 1 && ratio.High >= 1:
		return "level"
	case (ratio.Low > 1) != less:
		w = "better"
	default:
		w = "worse"
	}
	if ratio.Coverage < sureEnough {
		w = "seems " + w
	}
	return w
}

func (c *comparison) title() string {
	return fmt.Sprintf("before and after: now ÷ before, which was %s, pen %s", c.Old.Started, c.Old.commit())
}

func (c *comparison) sheet() sheet {
	s := sheet{Columns: []column{{Head: "workload", Left: true}, {Head: "figure", Left: true}, {Head: "peer", Left: true, Peer: true}, {Head: "now÷before"}, {Head: "less the drift"}, {Head: "", Left: true}}}
	workload, gauge := "", ""
	for _, row := range c.Rows {
		cells := []string{row.Workload, row.Gauge, row.Peer, ratioText(row.Ratio), ratioText(row.Steady), row.Decided}
		if row.Workload == workload {
			cells[0] = ""
		}
		if row.Workload == workload && row.Gauge == gauge {
			cells[1] = ""
		}
		workload, gauge = row.Workload, row.Gauge
		s.Rows = append(s.Rows, cells)
	}
	return s
}

// legend explains the comparison's columns.
func (c *comparison) legend() string {
	l := "The median of the ratios of every round now to every round before, and its interval. "
	if len(c.Yardsticks) == 0 {
		return l + "The two runs have no yardstick in common (direct or floor), so that a machine that became faster or slower cannot be told from a peer that did."
	}
	return l + "Less the drift: the same after each round is divided by what " + strings.Join(c.Yardsticks, " and ") + " had in it, which nothing that changed in a proxy can have altered."
}

// warning is empty when the two runs may be compared as they stand.
func (c *comparison) warning() string {
	if len(c.Differences) == 0 {
		return ""
	}
	return "the two runs were not made under the same conditions: " + strings.Join(c.Differences, "; ")
}

// Text is the comparison for a terminal.
func (c *comparison) Text() string {
	var b strings.Builder
	writeWrapped(&b, "── ", c.title())
	if w := c.warning(); w != "" {
		writeWrapped(&b, "warning  ", w)
	}
	if len(c.Rows) == 0 {
		writeWrapped(&b, "", "no peer has figures of the same workload in both")
		return b.String()
	}
	b.WriteString(c.sheet().Text())
	writeWrapped(&b, "", c.legend())
	return b.String()
}
