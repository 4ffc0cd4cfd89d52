package main

import (
	"maps"
	"slices"
)

// measurement is one round of one cell. Its field names in JSON carry the units.
type measurement struct {
	Round      int     `json:"round"`
	Units      int64   `json:"units"`
	Elapsed    float64 `json:"elapsed_seconds"`
	Rate       float64 `json:"units_per_second"`
	CPU        float64 `json:"proxy_cpu_seconds"`
	User       float64 `json:"proxy_user_seconds"`
	System     float64 `json:"proxy_system_seconds"`
	RSS        int64   `json:"proxy_rss_bytes"`
	ServersCPU float64 `json:"servers_cpu_seconds"`
	LoadCPU    float64 `json:"load_cpu_seconds"`
	Errors     int64   `json:"errors,omitempty"`
	Error      string  `json:"error,omitempty"` // the first
}

// valid says that every byte of it was right, so that its figures may be compared.
func (m measurement) valid() bool { return m.Errors == 0 && m.Error == "" && m.Units > 0 }

func newMeasurement(o outcome) measurement {
	m := measurement{
		Units:      o.Units,
		Elapsed:    o.Elapsed.Seconds(),
		CPU:        o.Proxy.CPU.Seconds(),
		User:       o.Proxy.User.Seconds(),
		System:     o.Proxy.System.Seconds(),
		RSS:        o.Proxy.RSS,
		ServersCPU: o.Servers.CPU.Seconds(),
		LoadCPU:    o.Load.CPU.Seconds(),
		Errors:     o.Errors,
		Error:      o.First,
	}
	if m.Elapsed > 0 {
		m.Rate = float64(m.Units) / m.Elapsed
	}
	if m.Units == 0 && m.Error == "" {
		m.Error = "nothing was done in the time measured"
	}
	return m
}

func failedMeasurement(err error) measurement { return measurement{Errors: 1, Error: err.Error()} }

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

// figure is something a measurement tells.
type figure func(m measurement) float64

func rateOf(m measurement) float64        { return m.Rate }
func cpuPerUnit(m measurement) float64    { return m.CPU / float64(m.Units) }
func coresOf(m measurement) float64       { return m.CPU / m.Elapsed }
func serverCoresOf(m measurement) float64 { return m.ServersCPU / m.Elapsed }
func loadCoresOf(m measurement) float64   { return m.LoadCPU / m.Elapsed }
func rssOf(m measurement) float64         { return float64(m.RSS) }

// byRound is a figure of each valid round.
func (c *cell) byRound(f figure) map[int]float64 {
	values := map[int]float64{}
	for _, m := range c.Rounds {
		if m.valid() {
			values[m.Round] = f(m)
		}
	}
	return values
}

func (c *cell) spread(f figure) spread {
	return spreadOf(slices.Collect(maps.Values(c.byRound(f))))
}

// ratio is reference ÷ c, pair by pair.
func (c *cell) ratio(reference *cell, f figure) spread {
	return spreadOf(pairedRatios(reference.byRound(f), c.byRound(f)))
}

// report is all that was found. Owned by one goroutine.
type report struct {
	Interrupted bool

	plan    *plan
	opts    *options
	missing []missingPeer
	machine machine
	cells   [][]*cell // by workload and peer
}

func newReport(o *options, m machine, p *plan, missing []missingPeer) *report {
	r := &report{plan: p, opts: o, missing: missing, machine: m}
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
	at := 0
	for i, p := range slices.Backward(r.plan.Peers) {
		if !p.direct() {
			at = i
		}
	}
	for i, p := range slices.Backward(r.plan.Peers) {
		if p.Kind.name == "pen" {
			at = i
		}
	}
	return at
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
