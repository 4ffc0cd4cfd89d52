package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed html_report.tmpl
var pageText string

//go:embed html_style.css
var pageStyle string

// looks is how many peers can be told apart by colour, dash and marker: as many as the template and the style sheet have.
const looks = 8

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"px":     func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"add":    func(a, b int) int { return a + b },
	"sub":    func(a, b int) int { return a - b },
	"mid":    func(a, b int) int { return (a + b) / 2 },
	"colour": func(peer int) int { return peer % looks },
	"peer":   func(look int) struct{ Peer int } { return struct{ Peer int }{look} },
}).Parse(pageText))

// page is what the template shows.
type page struct {
	Style    template.CSS
	Title    string
	Lead     string
	Over     string
	Warnings []string
	Summary  sheet
	Sections []pageSection
	Before   *pageComparison
	Facts    []fact
	Legend   []string
}

type pageSection struct {
	ID    string
	Title string
	Parts []pagePart
}

type pagePart struct {
	part
	Bars   []barPlot
	Curves []curvePlot
}

type pageComparison struct {
	Title   string
	Warning string
	Sheet   sheet
	Legend  string
}

// HTML is the whole report as one page that needs nothing but itself.
func (r *report) HTML() ([]byte, error) {
	ref := r.plan.Peers[r.reference()]
	p := page{
		Style: template.CSS(pageStyle), Title: ref.Label + " beside other proxies", Over: r.over(), Warnings: r.warnings(), Summary: r.summary(),
		Lead:  strings.Join(notEmpty(r.machine.Time, ref.Version, ref.Commit, r.machine.String()), " · "),
		Facts: r.facts(), Legend: r.legend(),
	}
	for _, s := range r.sections() {
		section := pageSection{ID: s.Name, Title: s.Title}
		for _, one := range s.Parts {
			section.Parts = append(section.Parts, r.plotted(one))
		}
		p.Sections = append(p.Sections, section)
	}
	if c := r.before; c != nil {
		p.Before = &pageComparison{c.title(), c.warning(), c.sheet(), c.legend()}
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, p)
	return b.Bytes(), err
}

// plotted adds to a part the plots of what its table says.
func (r *report) plotted(one part) pagePart {
	p := pagePart{part: one}
	curve := func(c curvePlot, ok bool) {
		if ok {
			p.Curves = append(p.Curves, c)
		}
	}
	switch {
	case one.Growth:
		for _, m := range r.measures(one.Workloads[0]) {
			curve(r.growthCurve(one.Workloads, m))
		}
	case one.View == viewLatency:
		for _, w := range one.Workloads {
			curve(r.latencyCurve(w))
		}
		curve(r.loadCurve(one.Workloads))
	default:
		for _, m := range r.measures(one.Workloads[0]) {
			if b, ok := r.bars(one.Workloads[0], m); ok {
				p.Bars = append(p.Bars, b)
			}
		}
	}
	return p
}

// summary has a row for each verdict.
func (r *report) summary() sheet {
	s := sheet{Columns: []column{{Head: "workload", Left: true}, {Head: "by", Left: true}, {Head: "stands", Left: true, Peer: true}, {Head: r.over()}}}
	at := map[string]int{} // column of each yardstick
	for _, p := range r.plan.Peers {
		if p.yardstick() {
			at[p.Label] = len(s.Columns)
			s.Columns = append(s.Columns, column{Head: "÷ " + p.Label})
		}
	}
	for w, l := range r.plan.Workloads {
		for i, v := range r.verdicts(w) {
			row := make([]string, len(s.Columns))
			if i == 0 {
				row[0] = l.Name
			}
			row[1], row[2], row[3] = v.Gauge, nothing, nothing
			if v.Rival != nil {
				row[2], row[3] = v.Rival.Word+" "+v.Rival.Peer, ratioText(v.Rival.Ratio)
			}
			for _, y := range v.Yardsticks {
				row[at[y.Peer]] = ratioText(y.Ratio)
			}
			s.Rows = append(s.Rows, row)
		}
	}
	return s
}
