package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// readReport reads what --json wrote, also in older formats: what they lack stays zero.
func readReport(path string) (*jsonReport, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &jsonReport{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	switch {
	case r.Format < 1:
		return nil, fmt.Errorf("read %s: no report of bench --json", path)
	case r.Format > jsonFormat:
		return nil, fmt.Errorf("read %s: format %d is newer than this bench, which knows %d", path, r.Format, jsonFormat)
	}
	if r.Started == "" {
		r.Started = r.Machine.Time
	}
	return r, nil
}

// cell finds one peer's rounds of a workload. Nil: it was not measured.
func (r *jsonReport) cell(workload, peer string) *cell {
	for _, w := range r.Workloads {
		for _, p := range w.Peers {
			if w.Name == workload && p.Name == peer && len(p.Rounds) > 0 {
				return &cell{Rounds: p.Rounds}
			}
		}
	}
	return nil
}

func (r *jsonReport) peer(name string) jsonPeer {
	if i := slices.IndexFunc(r.Peers, func(p jsonPeer) bool { return p.Name == name }); i >= 0 {
		return r.Peers[i]
	}
	return jsonPeer{}
}

// commit tells of which pen the report is; older formats have it with the peer only.
func (r *jsonReport) commit() string {
	if r.Commit != "" {
		return r.Commit
	}
	return r.peer(r.Reference).Commit
}

// differences names in words what differs between the conditions of two runs, so that their figures may differ by that as well. What only the old format does not tell is passed over.
func differences(old, now *jsonReport) []string {
	var all []string
	differ := func(what, before, after string) {
		if before != after && before != "" {
			all = append(all, fmt.Sprintf("%s: %s before, %s now", what, before, after))
		}
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	differ("CPU", old.Machine.CPU, now.Machine.CPU)
	differ("cores", number(old.Machine.Cores), number(now.Machine.Cores))
	differ("memory", mebibytes(float64(old.Machine.Memory)), mebibytes(float64(now.Machine.Memory)))
	differ("system", old.Machine.OS, now.Machine.OS)
	differ("kernel", old.Machine.Kernel, now.Machine.Kernel)
	differ("Go of the harness", old.Machine.Go, now.Machine.Go)
	differ("congestion control", old.Conditions.Congestion, now.Conditions.Congestion)
	differ("GOMAXPROCS", number(old.Conditions.MaxProcs), number(now.Conditions.MaxProcs))
	differ("window", duration(old.Window), duration(now.Window))
	differ("warm-up", duration(old.Warm), duration(now.Warm))
	differ("flags", flagsThatMatter(old.Args), flagsThatMatter(now.Args))
	for _, p := range now.Peers {
		// Pen's version is what a comparison is for.
		if p.Kind != "pen" {
			differ("version of "+p.Name, old.peer(p.Name).Version, p.Version)
		}
	}
	for _, r := range []struct {
		when   string
		report *jsonReport
	}{{"before", old}, {"now", now}} {
		if r.report.Machine.busy() {
			all = append(all, fmt.Sprintf("the machine was busy with other work %s", r.when))
		}
	}
	return all
}

// flagsThatMatter leaves out of a command line what only says where results go, what is measured, or what the report tells elsewhere.
func flagsThatMatter(args []string) string {
	apart := []string{"--json", "--html", "--compare", "--seed", "--peer", "--only", "--rounds", "--seconds", "--pen"}
	kept := []string{}
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(args[i], "=")
		if !slices.Contains(apart, name) {
			kept = append(kept, args[i])
		} else if !joined {
			i++
		}
	}
	if len(kept) == 0 {
		return "none"
	}
	return strings.Join(kept, " ")
}
