package main

import (
	"cmp"
	"fmt"
	"slices"
)

// part is a table with what belongs to it: one workload's, or several of a family that are read together.
type part struct {
	Title     string
	Workloads []int
	Sheet     sheet
	Verdicts  []string
	Notes     []string // what went wrong
	View      view
	Growth    bool // a table of what the others of the family say already: how the rate goes with X
}

// section is a family of workloads.
type section struct {
	Name  string
	Title string
	Parts []part
}

var familyTitles = map[string]string{
	"conn": "Connections", "keepalive": "Keep-alive requests", "bulk": "Bulk", "mixed": "Mixed load", "latency": "Latency at fixed rates",
	"idle": "Idle connections", "storm": "Connection storm", "clients": "Size of the client table",
}

// sections is the whole of the results, in order.
func (r *report) sections() []section {
	var all []section
	for _, family := range r.families() {
		name := r.plan.Workloads[family[0]].Family
		s := section{Name: name, Title: familyTitles[name]}
		if s.Title == "" {
			s.Title = name
		}
		var timed, curve []int
		for _, w := range family {
			switch {
			case r.view(w) == viewLatency:
				timed = append(timed, w)
				continue
			case r.view(w) == viewRate && r.plan.Workloads[w].X > 0:
				curve = append(curve, w)
			}
			s.Parts = append(s.Parts, r.workloadPart(w))
		}
		if timed != nil {
			s.Parts = append(s.Parts, r.latencyPart(timed))
		}
		if len(curve) > 1 {
			s.Parts = append(s.Parts, r.growthPart(curve))
		}
		all = append(all, s)
	}
	return all
}

func (r *report) workloadPart(w int) part {
	p := part{Title: r.plan.Workloads[w].Title, Workloads: []int{w}, View: r.view(w), Sheet: r.sheetOf(w), Notes: r.troubles(w)}
	for _, v := range r.verdicts(w) {
		p.Verdicts = append(p.Verdicts, v.String())
	}
	return p
}

// latencyPart puts the rates of one family below each other.
func (r *report) latencyPart(family []int) part {
	p := part{Title: r.plan.Workloads[family[0]].Title, Workloads: family, View: viewLatency}
	if len(family) > 1 {
		p.Title = "latency from the instant a request was due, at the same rates for all"
	}
	for _, w := range family {
		s := r.sheetOf(w)
		offered := ""
		for i, row := range s.Rows {
			// The rate is that of the rows below too; a peer that failed does not tell it.
			if row[0] != nothing && offered == "" {
				offered = row[0]
			}
			if i > 0 {
				row[0] = ""
			}
		}
		if len(s.Rows) > 0 && offered != "" {
			s.Rows[0][0] = offered
		}
		p.Sheet.Columns = s.Columns
		p.Sheet.Rows = append(p.Sheet.Rows, s.Rows...)
		for _, v := range r.verdicts(w) {
			p.Verdicts = append(p.Verdicts, "at "+offered+", "+v.String())
		}
		p.Notes = append(p.Notes, r.troubles(w)...)
	}
	p.Sheet = p.Sheet.withoutEmpty()
	return p
}

// growthPart says how the rate goes with X: each beside that at the smallest.
func (r *report) growthPart(family []int) part {
	slices.SortStableFunc(family, func(a, b int) int { return cmp.Compare(r.plan.Workloads[a].X, r.plan.Workloads[b].X) })
	p := part{Title: "rate by number of known clients, beside that with the fewest", Workloads: family, Growth: true}
	p.Sheet.Columns = []column{{Head: "peer", Left: true, Peer: true}}
	for _, w := range family {
		p.Sheet.Columns = append(p.Sheet.Columns, column{Head: brief(r.plan.Workloads[w].X) + " clients"})
	}
	for i, peer := range r.plan.Peers {
		row := []string{peer.Label}
		first := r.cell(family[0], i)
		for n, w := range family {
			c := r.cell(w, i)
			text := medianText(c.spread(rateOf), r.plan.Workloads[w].Unit.rate)
			if growth := first.ratio(c, rateOf); n > 0 && growth.N > 0 {
				text += " " + ratioText(growth)
			}
			row = append(row, text)
		}
		p.Sheet.Rows = append(p.Sheet.Rows, row)
	}
	p.Sheet = p.Sheet.withoutSilent().withoutEmpty()
	return p
}

// troubles says what went wrong in a workload, a line for each peer concerned.
func (r *report) troubles(w int) []string {
	var notes []string
	for i, c := range r.cells[w] {
		if c.failures() == 0 {
			continue
		}
		var errs int64
		first := ""
		for _, m := range c.Rounds {
			errs += m.Errors
			if first == "" {
				first = m.Error
			}
		}
		notes = append(notes, fmt.Sprintf("%s: %d of %s failed and left out, %s; the first: %s",
			r.plan.Peers[i].Label, c.failures(), count(int64(len(c.Rounds)), "round"), count(errs, "error"), first))
	}
	return notes
}
