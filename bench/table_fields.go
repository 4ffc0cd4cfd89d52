package main

import "fmt"

// field is a column of a workload's table, and what stands in it for each peer.
type field struct {
	column
	cell func(peer int) string
}

// spare marks a field as one that a terminal may lack, wide as one that it does.
func (f field) spare() field { f.Spare = true; return f }
func (f field) wide() field  { f.Wide = true; return f }

// over is the head of a column of ratios.
func (r *report) over() string { return r.plan.Peers[r.reference()].Kind.name + "÷peer" }

// fields are the columns of a workload's table, by what it is about.
func (r *report) fields(w int) []field {
	u := r.plan.Workloads[w].Unit
	per := "/" + u.short()
	peer := field{column{Head: "peer", Left: true, Peer: true}, func(i int) string {
		if r.cell(w, i).failures() > 0 {
			return r.plan.Peers[i].Label + trouble
		}
		return r.plan.Peers[i].Label
	}}
	// told is the median of a figure, interval its interval, and over the ratio: reference ÷ peer.
	told := func(head string, f figure, text func(float64) string) field {
		return field{column{Head: head}, func(i int) string { return medianText(r.cell(w, i).spread(f), text) }}
	}
	interval := func(f figure, text func(float64) string) field {
		return field{column{Head: "interval", Wide: true}, func(i int) string { return intervalText(r.cell(w, i).spread(f), text) }}
	}
	over := func(f figure) field {
		return field{column{Head: r.over()}, func(i int) string {
			if i == r.reference() {
				return ""
			}
			return ratioText(r.cell(w, i).ratio(r.cell(w, r.reference()), f))
		}}
	}
	rss := told("RSS", rssOf, mebibytes).spare()
	switch r.view(w) {
	case viewLatency:
		return []field{told("offered", offeredRate, u.rate), peer, told("achieved", rateOf, u.rate).spare(), told("p50", p50, duration), told("p90", p90, duration).wide(),
			told("p99", p99, duration), over(p99), told("p99.9", p999, duration), over(p999), told("max", slowest, duration),
			told("CPU"+per, cpuPerUnit, u.cpu).wide(), over(cpuPerUnit).wide(), told("switches", switchesPerUnit, u.times).wide(), told("syscalls", syscallsPerUnit, u.times).wide()}
	case viewIdle:
		return []field{peer, told("connections", idleConns, whole), told("memory/conn", bytesPerConn, byteCount), interval(bytesPerConn, byteCount), over(bytesPerConn), rss,
			told("opened at", rateOf, u.rate)}
	case viewStorm:
		return []field{peer, told("attempted", stormAttempted, whole), told("served", stormServed, whole), told("failed", stormFailed, whole), told("recovery", stormRecovery, duration),
			interval(stormRecovery, duration), over(stormRecovery), told("rate", rateOf, u.rate), told("CPU"+per, cpuPerUnit, u.cpu), rss}
	default:
		return []field{peer, told("rate", rateOf, u.rate), interval(rateOf, u.rate), over(rateOf), told("CPU"+per, cpuPerUnit, u.cpu), interval(cpuPerUnit, u.cpu), over(cpuPerUnit),
			told("all CPU"+per, allCPUPerUnit, u.cpu), told("switches", switchesPerUnit, u.times), told("syscalls", syscallsPerUnit, u.times), rss,
			told("in kernel", systemShare, percent).wide(), told("proxy cores", coresOf, ratioNumber).wide(), told("servers’", serverCoresOf, ratioNumber).wide(),
			told("load’s", loadCoresOf, ratioNumber).wide()}
	}
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// sheetOf is the table of one workload.
func (r *report) sheetOf(w int) sheet {
	fields := r.fields(w)
	var s sheet
	for _, f := range fields {
		s.Columns = append(s.Columns, f.column)
	}
	for i := range r.plan.Peers {
		var row []string
		for _, f := range fields {
			row = append(row, f.cell(i))
		}
		s.Rows = append(s.Rows, row)
	}
	s = s.withoutSilent()
	if r.view(w) == viewLatency {
		return s // with all its columns, as others of its family have them
	}
	return s.withoutEmpty()
}
