package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is the whole report for people.
func (r *report) Text() string {
	var b strings.Builder
	r.writeHead(&b)
	for w := range r.plan.Workloads {
		b.WriteString("\n")
		r.writeWorkload(&b, w)
	}
	r.writeFoot(&b)
	return b.String()
}

func (r *report) writeHead(b *strings.Builder) {
	fmt.Fprintf(b, "machine  %s\n", r.machine)
	if r.machine.busy() {
		fmt.Fprintf(b, "         it was busy with other work before this began (%.1f cores of %d): the figures say little\n", r.machine.Busy, r.machine.Cores)
	}
	fmt.Fprintf(b, "run      bench %s, %s\n", strings.Join(r.opts.args, " "), r.machine.Time)
	p := r.plan
	fmt.Fprintf(b, "method   %s of %.3g s after %.3g s of warm-up, in random order (--seed %d), each peer freshly started, every byte checked\n",
		count(int64(p.Rounds), "round"), p.Window.Seconds(), p.Warm.Seconds(), p.Seed)
	for _, p := range p.Peers {
		if !p.direct() {
			fmt.Fprintf(b, "peer     %s: %s\n", p.Label, strings.Join(notEmpty(p.Version, p.Commit, p.Kind.what), ", "))
		}
	}
	for _, m := range r.missing {
		fmt.Fprintf(b, "missing  %s: %s\n", m.Label, m.Why)
	}
	if r.Interrupted {
		b.WriteString("interrupted: what follows is what had been measured until then\n")
	}
}

// writeWorkload writes the table of one workload, and below it what went wrong.
func (r *report) writeWorkload(b *strings.Builder, w int) {
	l, ref := r.plan.Workloads[w], r.reference()
	name := r.plan.Peers[ref].Kind.name
	rows := [][]string{{"peer", "rate", name + " ÷ peer", "CPU per " + l.Unit.big(), name + " ÷ peer", "cores: proxy servers load", "RSS"}}
	var notes []string
	for i, c := range r.cells[w] {
		p := r.plan.Peers[i]
		rows = append(rows, r.row(p, c, r.cell(w, ref), l.Unit))
		if n := c.failures(); n > 0 {
			notes = append(notes, fmt.Sprintf("  ! %s: %s", p.Label, trouble(c)))
		}
	}
	fmt.Fprintf(b, "%s\n%s", l.Title, grid(rows))
	for _, n := range notes {
		fmt.Fprintln(b, n)
	}
}

func (r *report) row(p *peer, c, ref *cell, u unit) []string {
	row := []string{p.Label, "–", "", "–", "", "–", "–"}
	if c.failures() > 0 {
		row[0] += " !"
	}
	rate := c.spread(rateOf)
	if rate.N == 0 {
		return row
	}
	row[1] = u.rate(rate.Median)
	row[5] = fmt.Sprintf("%.2f %.2f", c.spread(serverCoresOf).Median, c.spread(loadCoresOf).Median)
	if c != ref {
		row[2] = ratioText(c.ratio(ref, rateOf))
	}
	if p.direct() {
		return row
	}
	row[3] = u.cpu(c.spread(cpuPerUnit).Median)
	row[5] = fmt.Sprintf("%.2f ", c.spread(coresOf).Median) + row[5]
	row[6] = fmt.Sprintf("%.1f MiB", c.spread(rssOf).Median/(1<<20))
	if c != ref {
		row[4] = ratioText(c.ratio(ref, cpuPerUnit))
	}
	return row
}

// trouble says in one line what went wrong in a cell.
func trouble(c *cell) string {
	var errs int64
	var first string
	for _, m := range c.Rounds {
		errs += m.Errors
		if first == "" {
			first = m.Error
		}
	}
	return fmt.Sprintf("%d of %s failed and left out, %s; the first: %s", c.failures(), count(int64(len(c.Rounds)), "round"), count(errs, "error"), first)
}

func (r *report) writeFoot(b *strings.Builder) {
	ref := r.plan.Peers[r.reference()]
	fmt.Fprintf(b, "\n%s ÷ peer: median of the ratios of paired rounds (lowest–highest). Rate: above 1 %s is faster. CPU: below 1 it needs less.\n", ref.Kind.name, ref.Label)
	b.WriteString("CPU and RSS are of the proxy's whole process tree; cores are CPU seconds per second.\n")
}

func ratioText(s spread) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.2f", s.Median)
	default:
		return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
	}
}

// big is the amount of a unit that CPU time is told for.
func (u unit) big() string {
	if u == byteUnit {
		return "GB"
	}
	return string(u)
}

// rate writes units per second.
func (u unit) rate(perSecond float64) string {
	if u == byteUnit {
		return fmt.Sprintf("%.2f GB/s", perSecond/1e9)
	}
	return grouped(int64(perSecond+0.5)) + "/s"
}

// cpu writes CPU seconds per unit.
func (u unit) cpu(seconds float64) string {
	if u == byteUnit {
		return fmt.Sprintf("%.3f s", seconds*1e9)
	}
	return fmt.Sprintf("%.2f µs", seconds*1e6)
}

// grouped writes n, which is not negative, with spaces between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

func notEmpty(words ...string) []string {
	var kept []string
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}

// grid lays rows out in columns: the first to the left, the others to the right, a line under the head.
func grid(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("   " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if n == 0 {
			b.WriteString("  " + strings.Repeat("─", utf8.RuneCountInString(line.String())-2) + "\n")
		}
	}
	return b.String()
}
