package main

import (
	"fmt"
	"strings"
)

// Text is the whole report for a terminal.
func (r *report) Text() string {
	var b strings.Builder
	for _, f := range r.facts() {
		if f.Value != "" {
			writeWrapped(&b, fmt.Sprintf("%-9s", f.Name), f.Value)
		}
	}
	for _, w := range r.warnings() {
		writeWrapped(&b, "warning  ", w)
	}
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "\n── %s %s\n", s.Title, strings.Repeat("─", max(0, tableWidth-4-len([]rune(s.Title)))))
		for i, p := range s.Parts {
			if i > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s\n%s", p.Title, p.Sheet.Text())
			for _, v := range p.Verdicts {
				writeWrapped(&b, "  → ", v)
			}
			for _, n := range p.Notes {
				writeWrapped(&b, "  ! ", n)
			}
		}
	}
	b.WriteString("\n")
	for _, line := range r.legend() {
		writeWrapped(&b, "", line)
	}
	if r.before != nil {
		b.WriteString("\n" + r.before.Text())
	}
	return b.String()
}

// fact is a line of a report's head.
type fact struct{ Name, Value string }

// facts say what was measured, on what and how.
func (r *report) facts() []fact {
	p := r.plan
	facts := []fact{
		{"machine", r.machine.String()},
		{"settings", fmt.Sprintf("congestion control %s, GOMAXPROCS %d, checkout %s", r.conditions.Congestion, r.conditions.MaxProcs, r.conditions.Checkout)},
		{"run", strings.TrimSpace("bench "+strings.Join(r.opts.args, " ")) + ", " + r.machine.Time + r.took()},
		{"method", fmt.Sprintf("%s of %.3g s after %.3g s of warm-up, in random order (--seed %d), each peer freshly started, every byte checked",
			count(int64(p.Rounds), "round"), p.Window.Seconds(), p.Warm.Seconds(), p.Seed)},
	}
	for _, p := range p.Peers {
		if !p.direct() {
			facts = append(facts, fact{"peer", p.Label + ": " + strings.Join(notEmpty(p.Version, p.Commit, p.Kind.what), ", ")})
		}
	}
	for _, m := range r.missing {
		facts = append(facts, fact{"missing", m.Label + ": " + m.Why})
	}
	return facts
}

func (r *report) took() string {
	if r.Took == 0 {
		return ""
	}
	return ", took " + minutes(r.Took)
}

// warnings say why the figures may mean less than they seem to.
func (r *report) warnings() []string {
	var all []string
	if r.machine.busy() {
		all = append(all, fmt.Sprintf("the machine was busy with other work before this began (%.1f cores of %d): the figures say little", r.machine.Busy, r.machine.Cores))
	}
	if r.Interrupted {
		all = append(all, "interrupted: what follows is what had been measured until then")
	}
	return all
}

// legend explains the columns.
func (r *report) legend() []string {
	ref := r.plan.Peers[r.reference()]
	_, coverage := medianRank(r.plan.Rounds)
	interval := fmt.Sprintf("of %s, an interval that holds the true one with a chance of %s", count(int64(r.plan.Rounds), "round"), percentage(coverage))
	if r.plan.Rounds == 1 {
		interval = "of one round there is only the ratio itself, and no interval"
	}
	return []string{
		fmt.Sprintf("%s: median of the ratios of paired rounds and, %s. Rate: above 1 %s is faster. CPU, latency, memory and recovery: below 1 it needs less.", r.over(), interval, ref.Label),
		"CPU, switches (voluntary or not), syscalls (by strace, in a round of their own) and RSS are of the proxy's whole process tree, per unit; all CPU is of the whole machine, load and servers with it.",
		"→ beside the best peer: proxies only, those limits apart that no proxy passes (direct, floor). \"Seems\": too few rounds to be 90 % sure.",
	}
}

// percentage writes a chance: 93.8 %, 75 %.
func percentage(chance float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*chance), ".0") + " %"
}

// writeWrapped writes words in lines of tableWidth at most, the first after lead, the others below each other.
func writeWrapped(b *strings.Builder, lead, text string) {
	line, empty := lead, true
	indent := strings.Repeat(" ", len([]rune(lead)))
	for word := range strings.FieldsSeq(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > tableWidth {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(line + "\n")
}
