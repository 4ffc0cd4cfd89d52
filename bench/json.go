package main

import "encoding/json"

// jsonFormat is raised when a reader of older files could not read newer ones. 2: intervals, machine-wide CPU, switches, system calls, latency, idle memory, storms, verdicts.
const jsonFormat = 2

type jsonReport struct {
	Format      int            `json:"format"`
	Commit      string         `json:"commit"`  // of pen, or of the checkout where its binary does not tell
	Started     string         `json:"started"` // RFC 3339, UTC
	Took        float64        `json:"duration_seconds"`
	Machine     machine        `json:"machine"`
	Conditions  conditions     `json:"conditions"`
	Args        []string       `json:"args"`
	Seed        uint64         `json:"seed"`
	Rounds      int            `json:"rounds"`
	Warm        float64        `json:"warm_up_seconds"`
	Window      float64        `json:"window_seconds"`
	Interrupted bool           `json:"interrupted,omitempty"`
	Reference   string         `json:"reference"`
	Peers       []jsonPeer     `json:"peers"`
	Missing     []missingPeer  `json:"missing,omitempty"`
	Workloads   []jsonWorkload `json:"workloads"`
}

type jsonPeer struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Version string `json:"version,omitempty"`
	Commit  string `json:"commit,omitempty"`
}

type jsonWorkload struct {
	Name     string     `json:"name"`
	Family   string     `json:"family"`
	Title    string     `json:"title"`
	Unit     unit       `json:"unit"`
	X        float64    `json:"x,omitzero"`
	Peers    []jsonCell `json:"peers"`
	Verdicts []verdict  `json:"verdicts,omitempty"`
}

// jsonCell is one peer's part of a workload. The ratios are reference ÷ this peer, of pairs.
type jsonCell struct {
	Name      string        `json:"name"`
	Rate      spread        `json:"units_per_second"`
	CPU       spread        `json:"proxy_cpu_seconds_per_unit,omitzero"`
	AllCPU    spread        `json:"machine_cpu_seconds_per_unit,omitzero"`
	Switches  spread        `json:"proxy_switches_per_unit,omitzero"`
	Syscalls  spread        `json:"proxy_system_calls_per_unit,omitzero"`
	RSS       spread        `json:"proxy_rss_bytes,omitzero"`
	P50       spread        `json:"p50_seconds,omitzero"`
	P99       spread        `json:"p99_seconds,omitzero"`
	P999      spread        `json:"p999_seconds,omitzero"`
	Idle      spread        `json:"bytes_per_connection,omitzero"`
	Recovery  spread        `json:"recovery_seconds,omitzero"`
	RateRatio spread        `json:"rate_ratio,omitzero"`
	CPURatio  spread        `json:"cpu_ratio,omitzero"`
	Rounds    []measurement `json:"rounds"`
}

// document is the whole report for machines.
func (r *report) document() *jsonReport {
	ref := r.reference()
	out := &jsonReport{
		Format: jsonFormat, Commit: r.conditions.Checkout, Started: r.machine.Time, Took: r.Took.Seconds(), Machine: r.machine, Conditions: r.conditions, Args: r.opts.args,
		Seed: r.plan.Seed, Rounds: r.plan.Rounds, Warm: r.plan.Warm.Seconds(), Window: r.plan.Window.Seconds(), Interrupted: r.Interrupted,
		Reference: r.plan.Peers[ref].Label, Missing: r.missing,
	}
	// A binary from elsewhere is not of this checkout.
	if c := r.plan.Peers[ref].Commit; c != "" && (c != unknownCommit || r.opts.pen != "") {
		out.Commit = c
	}
	for _, p := range r.plan.Peers {
		out.Peers = append(out.Peers, jsonPeer{p.Label, p.Kind.name, p.Version, p.Commit})
	}
	for w, l := range r.plan.Workloads {
		jw := jsonWorkload{Name: l.Name, Family: l.Family, Title: l.Title, Unit: l.Unit, X: l.X, Verdicts: r.verdicts(w)}
		for p, c := range r.cells[w] {
			jw.Peers = append(jw.Peers, jsonCell{
				Name: r.plan.Peers[p].Label, Rate: c.spread(rateOf), CPU: c.spread(cpuPerUnit), AllCPU: c.spread(allCPUPerUnit), Switches: c.spread(switchesPerUnit),
				Syscalls: c.spread(syscallsPerUnit), RSS: c.spread(rssOf), P50: c.spread(p50), P99: c.spread(p99), P999: c.spread(p999), Idle: c.spread(bytesPerConn),
				Recovery: c.spread(stormRecovery), RateRatio: c.ratio(r.cell(w, ref), rateOf), CPURatio: c.ratio(r.cell(w, ref), cpuPerUnit), Rounds: c.Rounds,
			})
		}
		out.Workloads = append(out.Workloads, jw)
	}
	return out
}

// JSON is document as text.
func (r *report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r.document(), "", "  ")
	return append(b, '\n'), err
}
