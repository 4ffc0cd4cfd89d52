package main

import (
	"encoding/json"
	"os"
)

// jsonFormat is raised when a reader of older files could not read newer ones.
const jsonFormat = 1

type jsonReport struct {
	Format      int            `json:"format"`
	Machine     machine        `json:"machine"`
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
	Name  string     `json:"name"`
	Title string     `json:"title"`
	Unit  unit       `json:"unit"`
	Peers []jsonCell `json:"peers"`
}

// jsonCell is one peer's part of a workload. The ratios are reference ÷ this peer, of pairs.
type jsonCell struct {
	Name      string        `json:"name"`
	Rate      spread        `json:"units_per_second"`
	CPU       spread        `json:"proxy_cpu_seconds_per_unit"`
	RSS       spread        `json:"proxy_rss_bytes"`
	RateRatio spread        `json:"rate_ratio"`
	CPURatio  spread        `json:"cpu_ratio"`
	Rounds    []measurement `json:"rounds"`
}

// JSON is the whole report for machines.
func (r *report) JSON() ([]byte, error) {
	ref := r.reference()
	out := jsonReport{
		Format: jsonFormat, Machine: r.machine, Args: r.opts.args, Seed: r.plan.Seed, Rounds: r.plan.Rounds,
		Warm: r.plan.Warm.Seconds(), Window: r.plan.Window.Seconds(), Interrupted: r.Interrupted, Reference: r.plan.Peers[ref].Label, Missing: r.missing,
	}
	for _, p := range r.plan.Peers {
		out.Peers = append(out.Peers, jsonPeer{p.Label, p.Kind.name, p.Version, p.Commit})
	}
	for w, l := range r.plan.Workloads {
		jw := jsonWorkload{Name: l.Name, Title: l.Title, Unit: l.Unit}
		for p, c := range r.cells[w] {
			jc := jsonCell{Name: r.plan.Peers[p].Label, Rate: c.spread(rateOf), RateRatio: c.ratio(r.cell(w, ref), rateOf), Rounds: c.Rounds}
			if !r.plan.Peers[p].direct() {
				jc.CPU, jc.RSS, jc.CPURatio = c.spread(cpuPerUnit), c.spread(rssOf), c.ratio(r.cell(w, ref), cpuPerUnit)
			}
			jw.Peers = append(jw.Peers, jc)
		}
		out.Workloads = append(out.Workloads, jw)
	}
	b, err := json.MarshalIndent(out, "", "  ")
	return append(b, '\n'), err
}

// checkWritable tries to open a file as WriteJSON will.
func checkWritable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// WriteJSON writes JSON to a file.
func (r *report) WriteJSON(path string) error {
	b, err := r.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
