package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reread is a report as --compare reads it.
func reread(t *testing.T, r *report) *jsonReport {
	t.Helper()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	old, err := readReport(file)
	if err != nil {
		t.Fatal(err)
	}
	return old
}

// scale makes every round of a peer so many times faster.
func (c *cell) scale(factor float64) {
	for i := range c.Rounds {
		c.Rounds[i].Rate *= factor
		c.Rounds[i].CPU /= factor
	}
}

func (c *comparison) row(workload, peer, gauge string) changed {
	i := slices.IndexFunc(c.Rows, func(r changed) bool { return r.Workload == workload && r.Peer == peer && r.Gauge == gauge })
	if i < 0 {
		return changed{}
	}
	return c.Rows[i]
}

// The machine became 10 % faster, and pen 20 % beside that.
func TestCompareTellsDriftFromChange(t *testing.T) {
	old := reread(t, fullReport(t))
	r := fullReport(t)
	for w := range r.cells {
		for i, c := range r.cells[w] {
			c.scale(1.1)
			if i == 0 {
				c.scale(1.2)
			}
		}
	}
	c := r.compareWith(old)
	if !slices.Equal(c.Yardsticks, []string{"direct", "floor"}) {
		t.Errorf("yardsticks %v", c.Yardsticks)
	}
	for _, want := range []struct {
		peer, gauge   string
		ratio, steady float64
		decided       string
	}{
		{"pen", "rate", 1.32, 1.2, "better"},
		{"pen", "CPU per request", 1 / 1.32, 1 / 1.2, "better"},
		{"haproxy", "rate", 1.1, 1, "level"},
		{"haproxy", "CPU per request", 1 / 1.1, 1, "level"},
		// A yardstick is held against the other one.
		{"direct", "rate", 1.1, 1, "level"},
		// Only floor has CPU time, so there is nothing to hold it against: by itself it became better.
		{"floor", "CPU per request", 1 / 1.1, 0, "better"},
	} {
		got := c.row("keepalive-64", want.peer, want.gauge)
		if !about(got.Ratio.Median, want.ratio) || !about(got.Steady.Median, want.steady) || got.Decided != want.decided {
			t.Errorf("%s, %s: %+v, want %.3f and %.3f, %s", want.peer, want.gauge, got, want.ratio, want.steady, want.decided)
		}
	}
	if got := c.row("keepalive-64", "pen", "rate"); got.Ratio.Coverage < 0.95 || got.Ratio.Low > 1.32 || got.Ratio.High < 1.32 || got.Ratio.N != 5 {
		t.Errorf("%+v", got)
	}
	if w := c.warning(); w != "" {
		t.Errorf("warning %q", w)
	}
	text := c.Text()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > tableWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	r.before = c
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if on, _ := parsePage(t, page); !strings.Contains(on, "less the drift") || !strings.Contains(on, ratioText(c.Rows[0].Ratio)) || !strings.HasSuffix(r.Text(), text) {
		t.Error("the comparison is not in the report")
	}
}

func about(a, b float64) bool { return a > b-0.03 && a < b+0.03 }

func TestCompareText(t *testing.T) {
	r := testReport(t)
	old := reread(t, r)
	old.Machine.Kernel, old.Commit = "5.4", "before"
	r.cell(0, 1).scale(1.5)
	golden(t, "compare.txt", r.compareWith(old).Text())
}

// Latencies at rates that differ must not pass as alike.
func TestCompareOfOtherRates(t *testing.T) {
	old := reread(t, fullReport(t))
	r := fullReport(t)
	if got := r.offeredElse(4, old); got != nil {
		t.Errorf("of the same rates: %q", got)
	}
	for i := range r.plan.Peers {
		for _, m := range r.cell(4, i).Rounds {
			m.Latency.Offered *= 1.1
		}
	}
	if got := r.compareWith(old).warning(); !strings.Contains(got, "offered rate of latency-50: 56 500/s before, 62 150/s now") {
		t.Errorf("warning %q", got)
	}
}

// With one round on each side there is no interval, and a word of caution.
func TestCompareOfOneRound(t *testing.T) {
	g := gauge{of: rateOf}
	ch := compareCells(&cell{Rounds: []measurement{ok(0, 100, 0, 0)}}, &cell{Rounds: []measurement{ok(0, 120, 0, 0)}}, nil, nil, g)
	if !near(ch.Ratio.Median, 1.2) || ch.Ratio.Coverage != 0 || ch.Steady.N != 0 || ch.Decided != "seems better" {
		t.Errorf("%+v", ch)
	}
	if ch := compareCells(&cell{}, &cell{}, nil, nil, g); ch.Ratio.N != 0 || ch.Decided != "" {
		t.Errorf("of nothing: %+v", ch)
	}
}

func TestCompareWithNothingInCommon(t *testing.T) {
	r := testReport(t)
	old := reread(t, r)
	for i := range old.Workloads {
		old.Workloads[i].Name += "-other"
	}
	if c := r.compareWith(old); len(c.Rows) != 0 || !strings.Contains(c.Text(), "no peer has figures of the same workload in both") {
		t.Errorf("%+v\n%s", c.Rows, c.Text())
	}
}

func TestDifferences(t *testing.T) {
	r := testReport(t)
	for want, change := range map[string]func(*jsonReport){
		"":                                  func(*jsonReport) {},
		"CPU: Quick before, Slow now":       func(o *jsonReport) { o.Machine.CPU = "Quick" },
		"cores: 8 before, 2 now":            func(o *jsonReport) { o.Machine.Cores = 8 },
		"kernel: 5.4 before, 6.1 now":       func(o *jsonReport) { o.Machine.Kernel = "5.4" },
		"congestion control: bbr before":    func(o *jsonReport) { o.Conditions.Congestion = "bbr" },
		"GOMAXPROCS: 4 before, 2 now":       func(o *jsonReport) { o.Conditions.MaxProcs = 4 },
		"window: 500 ms before, 1.00 s now": func(o *jsonReport) { o.Window = 0.5 },
		"flags: --quick before, none now":   func(o *jsonReport) { o.Args = []string{"--quick", "--json", "x", "--seed=3"} },
		"version of haproxy: 2.6 before":    func(o *jsonReport) { o.Peers[2].Version = "2.6" },
		"was busy with other work before":   func(o *jsonReport) { o.Machine.Busy = 2 },
	} {
		old := reread(t, r)
		change(old)
		got := strings.Join(differences(old, r.document()), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	// What an older format does not tell is no difference, and that pen is another is what a comparison is for.
	old := reread(t, r)
	old.Conditions, old.Peers[1].Commit, old.Peers[1].Version = conditions{}, "other", "pen 0"
	if got := differences(old, r.document()); len(got) != 0 {
		t.Errorf("differences %q", got)
	}
}

func TestFlagsThatMatter(t *testing.T) {
	for want, args := range map[string]string{
		"none":             "--json a --html b --compare c --seed 3 --rounds=4",
		"--quick":          "--quick --peer pen",
		"--strace --quick": "--strace --only keepalive --quick",
	} {
		if got := flagsThatMatter(strings.Fields(args)); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

// A file that format 1 wrote can be compared with.
func TestReadFormat1(t *testing.T) {
	old, err := readReport("testdata/format1.json")
	if err != nil {
		t.Fatal(err)
	}
	c := old.cell("keepalive-64", "pen")
	if c == nil || len(c.Rounds) != 2 || c.Rounds[0].Rate != 100000 || old.commit() != "abcdef123456" || old.Started == "" {
		t.Errorf("%+v, %+v", old, c)
	}
	r := fullReport(t)
	if got := r.compareWith(old).row("keepalive-64", "pen", "rate"); got.Ratio.N != 2 || got.Steady.N != 2 {
		t.Errorf("%+v", got)
	}
}

func TestReadReportRefuses(t *testing.T) {
	dir := t.TempDir()
	for want, text := range map[string]string{
		"newer than this bench": `{"format": 99}`,
		"no report of bench":    `{"other": 1}`,
		"invalid character":     `<html>`,
		"no such file":          "",
	} {
		file := filepath.Join(dir, "f")
		os.Remove(file)
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := readReport(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

// The file to compare with may be the one that is written anew.
func TestCompareWithTheFileItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.json")
	b, _ := json.Marshal(jsonReport{Format: 1})
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	o := &options{json: file, compare: file}
	if before, err := o.checkFiles(); err != nil || before.Format != 1 {
		t.Errorf("%+v, %v", before, err)
	}
}

func TestOutputOptions(t *testing.T) {
	o, err := parseOptions([]string{"--html", "page.html", "--compare", "old.json"}, nil)
	if err != nil || o.html != "page.html" || o.compare != "old.json" {
		t.Errorf("%+v, %v", o, err)
	}
}
