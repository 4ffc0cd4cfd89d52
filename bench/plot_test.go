package main

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestLinearAxis(t *testing.T) {
	for _, c := range []struct {
		most float64
		want []float64
	}{
		{0, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{1, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{53413, []float64{0, 20000, 40000, 60000}},
		{100, []float64{0, 20, 40, 60, 80, 100}},
		{104.2, []float64{0, 50, 100, 150}},
		{0.31, []float64{0, 0.1, 0.2, 0.3, 0.4}},
		{math.NaN(), []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
	} {
		a := linear("", c.most, 5)
		if !slices.EqualFunc(a.Ticks, c.want, near) || !near(a.Max, c.want[len(c.want)-1]) || a.Min != 0 {
			t.Errorf("to %g: %v up to %g, want %v", c.most, a.Ticks, a.Max, c.want)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

func TestLogarithmicAxis(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        []float64
	}{
		{60e-6, 900e-6, []float64{50e-6, 100e-6, 200e-6, 500e-6, 1e-3}},
		{1, 1, []float64{1, 2}},
		{3, 4, []float64{2, 5}},
		{2, 5, []float64{2, 5}},
		{7, 6000, []float64{1, 10, 100, 1000, 10000}},
		{0, 5, []float64{1, 2, 5, 10}},
	} {
		a := logarithmic("", c.least, c.most, brief)
		if !slices.EqualFunc(a.Ticks, c.want, near) || !near(a.Min, c.want[0]) || !near(a.Max, c.want[len(c.want)-1]) {
			t.Errorf("%g to %g: %v, want %v", c.least, c.most, a.Ticks, c.want)
		}
	}
}

func TestAxisAt(t *testing.T) {
	lin, log := axis{Min: 0, Max: 10}, axis{Log: true, Min: 1, Max: 100}
	for _, c := range []struct {
		a       axis
		v, want float64
	}{{lin, 0, 0}, {lin, 2.5, 0.25}, {lin, 11, 1}, {lin, -1, 0}, {log, 1, 0}, {log, 10, 0.5}, {log, 100, 1}, {log, 0, 0}, {axis{Min: 3, Max: 3}, 3, 0.5}} {
		if got := c.a.at(c.v); !near(got, c.want) {
			t.Errorf("%g is at %g, want %g", c.v, got, c.want)
		}
	}
}

func TestQuantileAxis(t *testing.T) {
	a := quantileAxis(3.7)
	var labels []string
	for _, v := range a.Ticks {
		labels = append(labels, a.Label(v))
	}
	if got := strings.Join(labels, ", "); got != "50 %, 90 %, 99 %, 99.9 %" {
		t.Errorf("labels %s", got)
	}
	// Each nine is as wide as the others.
	if d := a.at(nines(0.999)) - a.at(nines(0.99)); !near(d, a.at(nines(0.99))-a.at(nines(0.9))) {
		t.Errorf("from 99 %% to 99.9 %% is %g", d)
	}
}

func TestTickDuration(t *testing.T) {
	for v, want := range map[float64]string{50e-6: "50 µs", 1e-3: "1 ms", 0.5: "500 ms", 2: "2 s"} {
		if got := tickDuration(v); got != want {
			t.Errorf("%g s: %q, want %q", v, got, want)
		}
	}
}

func TestLatencyAt(t *testing.T) {
	l := &latency{Max: 9, Curve: []point{{0.5, 1}, {0.9, 2}, {0.99, 4}}}
	for q, want := range map[float64]float64{0: 1, 0.5: 1, 0.51: 2, 0.9: 2, 0.95: 4, 0.99: 4, 0.999: 9} {
		if got := l.at(q); got != want {
			t.Errorf("at %g: %g, want %g", q, got, want)
		}
	}
}

// A curve is the median of the rounds at each quantile, goes no further than every round tells, and is marked where the axis has its labels.
func TestQuantilePoints(t *testing.T) {
	round := func(n int, factor float64, last float64) measurement {
		m := ok(n, 1, 1, 1)
		m.Latency = &latency{Max: 100, Curve: []point{{0.5, factor}, {0.9, 2 * factor}, {last, 4 * factor}, {1, 100}}}
		return m
	}
	c := &cell{Rounds: []measurement{round(0, 1, 0.9999), round(1, 3, 0.99), round(2, 2, 0.999)}}
	points := quantilePoints(c, quantileAxis(5))
	last := points[len(points)-1]
	if !near(last.X, 2) || last.Y != 8 || !near(points[0].X, nines(0.5)) || points[0].Y != 2 {
		t.Errorf("from %+v to %+v", points[0], last)
	}
	var marks []string
	for i, p := range points {
		if p.Mark {
			marks = append(marks, p.Tip)
		}
		if i > 0 && (p.X <= points[i-1].X || p.Y < points[i-1].Y) {
			t.Errorf("%+v after %+v", p, points[i-1])
		}
	}
	if got := strings.Join(marks, "; "); got != "50 %: 2.00 s; 90 %: 4.00 s; 99 %: 8.00 s" {
		t.Errorf("marks %s", got)
	}
	if got := quantilePoints(&cell{}, quantileAxis(5)); len(got) != 0 {
		t.Errorf("points of nothing: %v", got)
	}
}

func TestBars(t *testing.T) {
	r := testReport(t)
	p, ok := r.bars(0, r.measures(0)[0])
	if !ok || len(p.Bars) != 4 || p.Axis != "connections per second" {
		t.Fatalf("%+v", p)
	}
	// The axis goes to 25 000; direct has a median of 22 000 between 20 000 and 24 000.
	end := p.Ticks[len(p.Ticks)-1]
	b := p.Bars[0]
	if end.Label != "25 k" || b.Value != "22 000/s" || !near(b.Length/end.X, 0.88) || !near(b.Low/end.X, 0.8) || !near(b.High/end.X, 0.96) || !b.Sure {
		t.Errorf("%+v up to %+v", b, end)
	}
	// Of oldpen there is one round, so no interval.
	if p.Bars[3].Sure {
		t.Errorf("%+v", p.Bars[3])
	}
	// The CPU of direct is nobody's.
	if p, ok := r.bars(0, r.measures(0)[1]); !ok || len(p.Bars) != 3 || p.Bars[0].Peer != 1 {
		t.Errorf("%+v", p)
	}
	r.cells[1] = []*cell{{}, {}, {}, {}}
	if p, ok := r.bars(1, r.measures(1)[0]); ok {
		t.Errorf("bars of nothing: %+v", p)
	}
}

func TestGrowthCurve(t *testing.T) {
	r := fullReport(t)
	family := r.families()[5]
	p, ok := r.growthCurve(family, r.measures(family[0])[0])
	if !ok || p.X != "known clients" || p.Y != "connections per second" {
		t.Fatalf("%+v", p)
	}
	// 1 k, 100 k, 1 M and 10 M on a logarithmic axis.
	var at []float64
	for _, tick := range p.XTicks {
		at = append(at, (tick.At-p.XTicks[0].At)/(p.XTicks[3].At-p.XTicks[0].At))
	}
	if !slices.EqualFunc(at, []float64{0, 0.5, 0.75, 1}, near) {
		t.Errorf("ticks at %v", at)
	}
	if l := p.Lines[0]; l.Label != "pen" || len(l.Marks) != 4 || !l.Marks[0].Sure || !(l.Marks[0].High < l.Marks[0].Y) || strings.Count(l.Path, "L") != 3 {
		t.Errorf("%+v", l)
	}
	if l := p.Lines[4]; l.Label != "haproxy" || len(l.Marks) != 3 {
		t.Errorf("%+v", l)
	}
}
