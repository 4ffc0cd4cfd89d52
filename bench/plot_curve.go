package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	curveHeight = 304
	curveLeft   = 72
	curveRight  = 26
	curveTop    = 12
	curveFoot   = 54
)

// curvePlot is a line for each peer.
type curvePlot struct {
	Title  string
	X, Y   string // titles of the axes
	Width  int
	Height int
	Left   int
	Right  int
	Top    int
	Foot   int // y where the axis is
	XTicks []curveTick
	YTicks []curveTick
	Lines  []curveLine
}

type curveTick struct {
	At    float64
	Label string
}

type curveLine struct {
	Peer  int // decides colour, dash and marker
	Label string
	Path  string
	Marks []curveMark
}

type curveMark struct {
	X, Y      float64
	Low, High float64 // the interval's ends
	Sure      bool    // there is an interval
	Tip       string
}

// curvePoint is a point in the figures' own units.
type curvePoint struct {
	X, Y      float64
	Low, High float64
	Sure      bool
	Mark      bool
	Tip       string
}

func newCurvePlot(title string, x, y axis) curvePlot {
	p := curvePlot{Title: title, X: x.Title, Y: y.Title, Width: plotWidth, Height: curveHeight, Left: curveLeft, Right: plotWidth - curveRight, Top: curveTop, Foot: curveHeight - curveFoot}
	for _, t := range x.Ticks {
		p.XTicks = append(p.XTicks, curveTick{p.x(x, t), x.Label(t)})
	}
	for _, t := range y.Ticks {
		p.YTicks = append(p.YTicks, curveTick{p.y(y, t), y.Label(t)})
	}
	return p
}

func (p *curvePlot) x(a axis, v float64) float64 {
	return float64(p.Left) + float64(p.Right-p.Left)*a.at(v)
}
func (p *curvePlot) y(a axis, v float64) float64 {
	return float64(p.Foot) - float64(p.Foot-p.Top)*a.at(v)
}

// add draws a peer's line.
func (p *curvePlot) add(peer int, label string, x, y axis, points []curvePoint) {
	l := curveLine{Peer: peer, Label: label}
	var path strings.Builder
	for i, at := range points {
		px, py := p.x(x, at.X), p.y(y, at.Y)
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], px, py)
		if at.Mark {
			l.Marks = append(l.Marks, curveMark{px, py, p.y(y, at.Low), p.y(y, at.High), at.Sure, label + ", " + at.Tip})
		}
	}
	l.Path = path.String()
	p.Lines = append(p.Lines, l)
}

// range of what points show, intervals included.
func extent(all [][]curvePoint) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, points := range all {
		for _, at := range points {
			low, high := at.Y, at.Y
			if at.Sure {
				low, high = at.Low, at.High
			}
			least, most = min(least, low), max(most, high)
		}
	}
	return least, most
}

// plotCurves draws what every peer has. ok is false when none has anything.
func (r *report) plotCurves(title string, x axis, y func(least, most float64) axis, points func(peer int) []curvePoint) (plot curvePlot, ok bool) {
	all := make([][]curvePoint, len(r.plan.Peers))
	for i := range all {
		all[i] = points(i)
		ok = ok || len(all[i]) > 0
	}
	if !ok {
		return plot, false
	}
	vertical := y(extent(all))
	plot = newCurvePlot(title, x, vertical)
	for i, at := range all {
		if len(at) > 0 {
			plot.add(i, r.plan.Peers[i].Label, x, vertical, at)
		}
	}
	return plot, true
}

// deepest is the last quantile that a latency curve is drawn to, in nines.
const deepest = 5

// latencyCurve plots latency against the quantile.
func (r *report) latencyCurve(workload int) (curvePlot, bool) {
	var most float64
	for _, c := range r.cells[workload] {
		most = max(most, reach(c))
	}
	x := quantileAxis(max(2, min(deepest, most)))
	u := r.plan.Workloads[workload].Unit
	title := "Latency"
	for _, c := range r.cells[workload] {
		if s := c.spread(offeredRate); s.N > 0 {
			title = "Latency at " + u.rate(s.Median)
			break
		}
	}
	y := func(least, most float64) axis {
		return logarithmic("time from due to answered", least, most, tickDuration)
	}
	return r.plotCurves(title, x, y, func(i int) []curvePoint { return quantilePoints(r.cell(workload, i), x) })
}

// reach is how far, in nines, every valid round of a cell tells the latency.
func reach(c *cell) float64 {
	least := math.Inf(1)
	for _, m := range c.Rounds {
		if m.Latency == nil || !m.valid() {
			continue
		}
		r := 0.0
		for _, at := range m.Latency.Curve {
			if at.Quantile < 1 {
				r = max(r, nines(at.Quantile))
			}
		}
		least = min(least, r)
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}

// quantilePoints is a cell's latency at each of a row of quantiles: the median of the rounds. The axis' ticks are among them, marked.
func quantilePoints(c *cell, x axis) []curvePoint {
	const perNine = 12
	const tolerance = 1e-6 // nines(0.99) is a little less than 2
	last := min(math.Round(reach(c)/tolerance)*tolerance, x.Max)
	at := slices.Clone(x.Ticks)
	for n := x.Min; n < last; n += 1.0 / perNine {
		at = append(at, n)
	}
	at = append(at, last)
	slices.Sort(at)
	var points []curvePoint
	for _, n := range slices.Compact(at) {
		if n > last+tolerance {
			continue
		}
		// Rounding must not ask for more than the curve has.
		q := 1 - math.Pow(10, -n)*(1+2*tolerance*math.Ln10)
		s := c.spread(ofLatency(func(l *latency) float64 { return l.at(q) }))
		if s.N > 0 && s.Median > 0 {
			points = append(points, curvePoint{X: n, Y: s.Median, Mark: slices.Contains(x.Ticks, n), Tip: quantileText(1-math.Pow(10, -n)) + ": " + duration(s.Median)})
		}
	}
	return points
}

// at is the latency at a quantile: that of the first point of the curve that is not below it.
func (l *latency) at(quantile float64) float64 {
	i, _ := slices.BinarySearchFunc(l.Curve, quantile, func(p point, q float64) int {
		if p.Quantile < q {
			return -1
		}
		return 1
	})
	if i == len(l.Curve) {
		return l.Max
	}
	return l.Curve[i].Seconds
}

// loadCurve plots the 99th percentile against the offered rate, for a family of fixed rates.
func (r *report) loadCurve(family []int) (curvePlot, bool) {
	u := r.plan.Workloads[family[0]].Unit
	var rates []float64
	for _, w := range family {
		for _, c := range r.cells[w] {
			if s := c.spread(offeredRate); s.N > 0 {
				rates = append(rates, s.Median)
				break
			}
		}
	}
	if len(rates) < 2 {
		return curvePlot{}, false
	}
	const wanted = 5
	x := linear("offered "+u.plural()+" per second", slices.Max(rates), wanted)
	y := func(least, most float64) axis { return logarithmic("99th percentile", least, most, tickDuration) }
	return r.plotCurves("99th percentile by offered rate", x, y, func(i int) []curvePoint {
		return r.familyPoints(family, i, p99, duration, func(w int) float64 { return r.cell(w, i).spread(offeredRate).Median })
	})
}

// growthCurve plots a figure against the X of a family.
func (r *report) growthCurve(family []int, m drawn) (curvePlot, bool) {
	var xs []float64
	for _, w := range family {
		xs = append(xs, r.plan.Workloads[w].X)
	}
	x := axis{Title: "known clients", Log: true, Min: slices.Min(xs), Max: slices.Max(xs), Ticks: xs, Label: brief}
	const wanted = 5
	y := func(_, most float64) axis {
		a := linear(m.Axis, most/m.Scale, wanted)
		a.Max *= m.Scale
		for i := range a.Ticks {
			a.Ticks[i] *= m.Scale
		}
		a.Label = func(v float64) string { return brief(v / m.Scale) }
		return a
	}
	return r.plotCurves(m.Title+" by known clients", x, y, func(i int) []curvePoint {
		return r.familyPoints(family, i, m.of, m.Text, func(w int) float64 { return r.plan.Workloads[w].X })
	})
}

// familyPoints is a peer's figure in each workload of a family.
func (r *report) familyPoints(family []int, peer int, f figure, text func(float64) string, x func(workload int) float64) []curvePoint {
	var points []curvePoint
	for _, w := range family {
		s := r.cell(w, peer).spread(f)
		if s.N == 0 {
			continue
		}
		tip := brief(math.Round(x(w))) + ": " + text(s.Median)
		if s.N > 1 {
			tip += " (" + intervalText(s, text) + ")"
		}
		points = append(points, curvePoint{X: x(w), Y: s.Median, Low: s.Low, High: s.High, Sure: s.N > 1, Mark: true, Tip: tip})
	}
	return points
}
