package main

// figure is something a measurement may tell.
type figure func(m measurement) (value float64, told bool)

func positive(v float64) (float64, bool) { return v, v > 0 }

func rateOf(m measurement) (float64, bool)        { return m.Rate, true }
func cpuPerUnit(m measurement) (float64, bool)    { return positive(m.CPU / float64(m.Units)) }
func allCPUPerUnit(m measurement) (float64, bool) { return positive(m.SystemCPU / float64(m.Units)) }
func coresOf(m measurement) (float64, bool)       { return positive(m.CPU / m.Elapsed) }
func serverCoresOf(m measurement) (float64, bool) { return m.ServersCPU / m.Elapsed, true }
func loadCoresOf(m measurement) (float64, bool)   { return m.LoadCPU / m.Elapsed, true }
func rssOf(m measurement) (float64, bool)         { return positive(float64(m.RSS)) }
func syscallsPerUnit(m measurement) (float64, bool) {
	return positive(m.Syscalls)
}

// switchesPerUnit is of a proxy only: where there is none, none of its time was counted either.
func switchesPerUnit(m measurement) (float64, bool) {
	return float64(m.Voluntary+m.Involuntary) / float64(m.Units), m.CPU > 0
}

// systemShare is how much of the proxy's CPU time the kernel spent for it.
func systemShare(m measurement) (float64, bool) {
	return m.System / (m.User + m.System), m.CPU > 0 && m.User+m.System > 0
}

// ofLatency, ofIdle and ofStorm are figures that only some workloads have.
func ofLatency(f func(*latency) float64) figure {
	return func(m measurement) (float64, bool) {
		if m.Latency == nil {
			return 0, false
		}
		return f(m.Latency), true
	}
}

func ofIdle(f func(*idle) float64) figure {
	return func(m measurement) (float64, bool) {
		if m.Idle == nil {
			return 0, false
		}
		return f(m.Idle), true
	}
}

func ofStorm(f func(*storm) float64) figure {
	return func(m measurement) (float64, bool) {
		if m.Storm == nil {
			return 0, false
		}
		return f(m.Storm), true
	}
}

var (
	offeredRate = ofLatency(func(l *latency) float64 { return l.Offered })
	p50         = ofLatency(func(l *latency) float64 { return l.P50 })
	p90         = ofLatency(func(l *latency) float64 { return l.P90 })
	p99         = ofLatency(func(l *latency) float64 { return l.P99 })
	p999        = ofLatency(func(l *latency) float64 { return l.P999 })
	slowest     = ofLatency(func(l *latency) float64 { return l.Max })

	idleConns    = ofIdle(func(i *idle) float64 { return float64(i.Conns) })
	bytesPerConn = ofIdle(func(i *idle) float64 { return i.BytesPerConn })

	stormAttempted = ofStorm(func(s *storm) float64 { return float64(s.Attempted) })
	stormServed    = ofStorm(func(s *storm) float64 { return float64(s.Served) })
	stormFailed    = ofStorm(func(s *storm) float64 { return float64(s.Failed) })
	stormRecovery  = ofStorm(func(s *storm) float64 { return s.Recovery })
)

// view is which of its figures a workload is about.
type view int

const (
	viewRate view = iota
	viewLatency
	viewIdle
	viewStorm
)

// view is told by what was measured, not by the workload's name.
func (r *report) view(workload int) view {
	for _, c := range r.cells[workload] {
		for _, m := range c.Rounds {
			switch {
			case m.Latency != nil:
				return viewLatency
			case m.Idle != nil:
				return viewIdle
			case m.Storm != nil:
				return viewStorm
			}
		}
	}
	return viewRate
}

// gauge is a figure that peers are judged by.
type gauge struct {
	Name string
	of   figure
	less bool                 // is better
	text func(float64) string // the figure for people
}

// gauges are what decides a workload, the most important first.
func (r *report) gauges(workload int) []gauge {
	u := r.plan.Workloads[workload].Unit
	cpu := gauge{"CPU per " + u.big(), cpuPerUnit, true, u.cpu}
	switch r.view(workload) {
	case viewLatency:
		return []gauge{{"p99", p99, true, duration}, {"p99.9", p999, true, duration}, cpu}
	case viewIdle:
		return []gauge{{"memory per connection", bytesPerConn, true, byteCount}}
	case viewStorm:
		return []gauge{{"served", stormServed, false, whole}, {"recovery", stormRecovery, true, duration}}
	default:
		return []gauge{{"rate", rateOf, false, u.rate}, cpu}
	}
}
