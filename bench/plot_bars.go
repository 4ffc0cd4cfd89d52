package main

// Sizes of plots in units of their view boxes. They are narrow, so that text in them stays readable when a telephone shows a plot 350 pixels wide.
const (
	plotWidth = 440
	barsPitch = 42 // from one bar to the next
	barsTop   = 6
	barHeight = 14
	barsRight = 20 // room for half the last tick's label
	barsFoot  = 46 // tick labels and the axis title
)

// barPlot is a bar for each peer, from 0, with the interval of its median.
type barPlot struct {
	Title  string
	Axis   string
	Width  int
	Height int
	Foot   int // y where the axis is
	Mid    int // x of the axis title
	Right  int // x where the axis ends
	Ticks  []barTick
	Bars   []bar
}

type barTick struct {
	X     float64
	Label string
}

type bar struct {
	Peer   int // decides the colour
	Label  string
	Value  string
	Tip    string
	TextY  int
	Y      int
	Height int
	Length float64
	Low    float64 // the interval's ends
	High   float64
	Middle int
	Sure   bool // there is an interval
}

// drawn is how a plot tells a figure: as multiples of Scale, which Axis names.
type drawn struct {
	Title string
	Axis  string
	Scale float64
	Text  func(float64) string
	of    figure
}

// bars makes the plot of a figure in one workload. ok is false when no peer has it.
func (r *report) bars(workload int, m drawn) (p barPlot, ok bool) {
	const end = plotWidth - barsRight
	p = barPlot{Title: m.Title, Axis: m.Axis, Width: plotWidth, Mid: end / 2, Right: end}
	most := 0.0
	var spreads []spread
	for i, c := range r.cells[workload] {
		s := c.spread(m.of)
		if s.N == 0 {
			continue
		}
		y := barsTop + barsPitch*len(p.Bars)
		p.Bars = append(p.Bars, bar{Peer: i, Label: shortenMiddle(r.plan.Peers[i].Label, 38), Value: m.Text(s.Median), Tip: r.plan.Peers[i].Label + ": " + m.Text(s.Median),
			TextY: y + 14, Y: y + 20, Height: barHeight, Middle: y + 20 + barHeight/2, Sure: s.N > 1})
		if s.N > 1 {
			p.Bars[len(p.Bars)-1].Tip += " (" + intervalText(s, m.Text) + ")"
		}
		spreads = append(spreads, s)
		most = max(most, s.High)
	}
	if len(p.Bars) == 0 {
		return p, false
	}
	const wanted = 5
	a := linear(m.Axis, most/m.Scale, wanted)
	for i, s := range spreads {
		b := &p.Bars[i]
		b.Length, b.Low, b.High = end*a.at(s.Median/m.Scale), end*a.at(s.Low/m.Scale), end*a.at(s.High/m.Scale)
	}
	for _, t := range a.Ticks {
		p.Ticks = append(p.Ticks, barTick{end * a.at(t), a.Label(t)})
	}
	p.Foot = barsTop + barsPitch*len(p.Bars)
	p.Height = p.Foot + barsFoot
	return p, true
}

// measures are the figures of a workload that are drawn as bars.
func (r *report) measures(workload int) []drawn {
	u := r.plan.Workloads[workload].Unit
	rate := drawn{"Rate", u.plural() + " per second", 1, u.rate, rateOf}
	cpu := drawn{"CPU of the proxy", "µs of CPU time per " + u.big(), 1e-6, u.cpu, cpuPerUnit}
	if u == byteUnit {
		rate.Axis, rate.Scale = "GB per second", 1e9
		cpu.Axis, cpu.Scale = "seconds of CPU time per GB", 1e-9
	}
	switch r.view(workload) {
	case viewLatency:
		return nil
	case viewIdle:
		return []drawn{{"Memory of the proxy", "bytes per idle connection", 1, byteCount, bytesPerConn}}
	case viewStorm:
		return []drawn{{"Served of the storm", "connections", 1, whole, stormServed}, {"Recovery", "milliseconds until the steady rate is back", 1e-3, duration, stormRecovery}}
	default:
		return []drawn{rate, cpu}
	}
}

func (u unit) plural() string { return string(u) + "s" }
