package main

import (
	"fmt"
	"strings"
)

// standing is where the reference stands beside another peer by one gauge.
type standing struct {
	Peer  string `json:"peer"`
	Ratio spread `json:"ratio"` // reference ÷ peer
	Word  string `json:"word"`
}

// verdict is where the reference stands in one workload by one gauge: beside the best of its rivals, and beside each yardstick.
type verdict struct {
	Gauge      string     `json:"gauge"`
	Less       bool       `json:"less_is_better,omitempty"`
	Rival      *standing  `json:"best_peer,omitempty"` // nil: no other proxy has figures
	Yardsticks []standing `json:"yardsticks,omitempty"`
}

// sureEnough is the coverage below which an interval is worth no more than a "seems": that of 5 values.
const sureEnough = 0.9

// word says on which side of 1 a ratio lies. An interval that holds 1 decides nothing.
func word(ratio spread, less bool) string {
	var w string
	switch {
	case ratio.N == 0:
		return "unknown beside"
	case ratio.Low <= 1 && ratio.High >= 1:
		return "level with"
	case (ratio.Low > 1) != less:
		w = "ahead of"
	default:
		w = "behind"
	}
	if ratio.Coverage < sureEnough {
		w = "seems " + w
	}
	return w
}

// verdicts judges a workload by each of its gauges.
func (r *report) verdicts(workload int) []verdict {
	ref := r.cell(workload, r.reference())
	var all []verdict
	for _, g := range r.gauges(workload) {
		v := verdict{Gauge: g.Name, Less: g.less}
		stand := func(i int) standing {
			ratio := r.cell(workload, i).ratio(ref, g.of)
			return standing{r.plan.Peers[i].Label, ratio, word(ratio, g.less)}
		}
		if best := r.bestRival(workload, g); best >= 0 {
			s := stand(best)
			v.Rival = &s
		}
		for i, p := range r.plan.Peers {
			if s := stand(i); p.yardstick() && s.Ratio.N > 0 && i != r.reference() {
				v.Yardsticks = append(v.Yardsticks, s)
			}
		}
		if len(ref.values(g.of)) > 0 && (v.Rival != nil || v.Yardsticks != nil) {
			all = append(all, v)
		}
	}
	return all
}

// bestRival is the index of the rival with the best median, or -1.
func (r *report) bestRival(workload int, g gauge) int {
	best, most := -1, 0.0
	for i, c := range r.cells[workload] {
		s := c.spread(g.of)
		if !r.rival(i) || s.N == 0 {
			continue
		}
		if best < 0 || (s.Median < most) == g.less && s.Median != most {
			best, most = i, s.Median
		}
	}
	return best
}

func (v verdict) String() string {
	var parts []string
	if v.Rival != nil {
		parts = append(parts, fmt.Sprintf("%s %s, the best peer, %s", v.Rival.Word, v.Rival.Peer, ratioText(v.Rival.Ratio)))
	}
	for _, y := range v.Yardsticks {
		parts = append(parts, y.Peer+" "+ratioText(y.Ratio))
	}
	return v.Gauge + ": " + strings.Join(parts, "; ")
}
