package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// testReport is a report with figures that are easy to follow.
func testReport(t *testing.T) *report {
	t.Helper()
	specs, err := parseSpecs([]string{"direct", "pen", "haproxy", "oldpen"})
	if err != nil {
		t.Fatal(err)
	}
	var peers []*peer
	for _, s := range specs {
		peers = append(peers, &peer{spec: s})
	}
	peers[1].program = program{Version: "pen 1", Commit: "abc+"}
	chosen := []workload{
		{Name: "conn-server-close", Family: "conn", Title: "connections per second, the server closes first", Unit: connection},
		{Name: "bulk-down", Family: "bulk", Title: "bulk throughput, servers to clients", Unit: byteUnit},
	}
	m := machine{CPU: "Slow", Cores: 2, Memory: 4 << 30, OS: "Debian", Kernel: "6.1", Go: "go1.26 amd64", Busy: 0.1, Time: "2026-01-02T03:04:05Z"}
	r := newReport(&options{args: []string{"--rounds", "2"}}, m, &plan{pace: pace{Rounds: 2, Warm: 100 * time.Millisecond, Window: time.Second}, Seed: 1, Workloads: chosen, Peers: peers},
		[]missingPeer{{"nginx", "not installed: apt-get install nginx"}})
	r.conditions = conditions{Congestion: "cubic", MaxProcs: 2, Checkout: "def"}
	r.Took = 83 * time.Second
	r.cell(0, 0).Rounds = []measurement{ok(0, 20000, 0, 0), ok(1, 24000, 0, 0)}
	r.cell(0, 1).Rounds = []measurement{ok(0, 12000, 0.6, 10<<20), ok(1, 12600, 0.64, 12<<20)}
	r.cell(0, 2).Rounds = []measurement{ok(0, 10000, 0.8, 20<<20), ok(1, 10000, 0.5, 20<<20)}
	bad := ok(1, 900, 0.1, 1)
	bad.Errors, bad.Error = 3, "connect 127.0.0.1:1: connection refused"
	r.cell(0, 3).Rounds = []measurement{ok(0, 6000, 0.6, 5<<20), bad}
	r.cell(1, 1).Rounds = []measurement{ok(0, 2_000_000_000, 0.5, 10<<20)}
	r.cell(1, 3).Rounds = []measurement{failedMeasurement(os.ErrDeadlineExceeded)}
	return r
}

// ok is a round of one second with nothing wrong.
func ok(round int, units int64, cpu float64, rss int64) measurement {
	m := measurement{Round: round, Units: units, Elapsed: 1, Rate: float64(units), CPU: cpu, User: cpu / 4, System: cpu * 3 / 4, RSS: rss, ServersCPU: 0.3, LoadCPU: 0.4, SystemCPU: cpu + 0.8}
	if cpu > 0 {
		m.Voluntary, m.Involuntary = units/20, units/100
	}
	return m
}

// golden compares text with a file of testdata, which -update writes anew.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := contents(file); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var update = flag.Bool("update", false, "write the files of testdata anew")

func TestText(t *testing.T) {
	golden(t, "report.txt", testReport(t).Text())
}

func TestTextOfABusyMachine(t *testing.T) {
	r := testReport(t)
	r.machine.Busy = 1.5
	r.Interrupted = true
	for _, want := range []string{"1.5 cores of 2", "interrupted"} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
}

// Whatever was measured, the report fits a terminal of 120 columns.
func TestTextFits(t *testing.T) {
	for name, r := range map[string]*report{"small": testReport(t), "full": fullReport(t)} {
		for line := range strings.Lines(r.Text()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > tableWidth {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

func TestTextOfEveryView(t *testing.T) {
	golden(t, "full.txt", fullReport(t).Text())
}

func TestFailed(t *testing.T) {
	r := testReport(t)
	if !r.failed() {
		t.Error("a report with failed rounds passes")
	}
	for w := range r.cells {
		r.cells[w][3].Rounds = nil
	}
	if r.failed() {
		t.Error("a report without failed rounds does not pass")
	}
}

func TestReference(t *testing.T) {
	r := testReport(t)
	for want, names := range map[int][]string{0: {"pen", "haproxy"}, 1: {"direct", "pen --poller gnet", "pen"}, 2: {"direct", "haproxy", "pen"}} {
		specs, err := parseSpecs(names)
		if err != nil {
			t.Fatal(err)
		}
		r.plan.Peers = nil
		for _, s := range specs {
			r.plan.Peers = append(r.plan.Peers, &peer{spec: s})
		}
		if got := r.reference(); got != want {
			t.Errorf("reference of %v is %d, want %d", names, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	r := testReport(t)
	r.opts.json = filepath.Join(t.TempDir(), "out.json")
	if err := r.writeFiles(io.Discard); err != nil {
		t.Fatal(err)
	}
	back, err := readReport(r.opts.json)
	if err != nil {
		t.Fatal(err)
	}
	if back.Format != jsonFormat || back.Reference != "pen" || len(back.Peers) != 4 || len(back.Missing) != 1 || back.Machine.Kernel != "6.1" || back.Window != 1 {
		t.Errorf("%+v", back)
	}
	if back.Commit != "abc+" || back.Started != "2026-01-02T03:04:05Z" || back.Took != 83 || back.Conditions != (conditions{"cubic", 2, "def"}) {
		t.Errorf("%+v", back)
	}
	ha := back.Workloads[0].Peers[2]
	if ha.Name != "haproxy" || ha.Rate.Median != 10000 || ha.RateRatio.N != 2 || ha.RateRatio.Coverage != 0.5 || len(ha.Rounds) != 2 || ha.Rounds[1].CPU != 0.5 || ha.Switches.Median != 0.06 {
		t.Errorf("%+v", ha)
	}
	if d := back.Workloads[0].Peers[0]; d.CPU.N != 0 || d.CPURatio.N != 0 || d.RateRatio.N != 2 || d.AllCPU.N != 2 {
		t.Errorf("direct: %+v", d)
	}
	if back.Workloads[0].Peers[3].Rounds[1].Error == "" {
		t.Error("the error is lost")
	}
	if v := back.Workloads[0].Verdicts; len(v) != 2 || v[0].Rival.Peer != "haproxy" || v[0].Rival.Word != "seems ahead of" {
		t.Errorf("verdicts %+v", v)
	}
}

func TestWriteFiles(t *testing.T) {
	r := testReport(t)
	dir := t.TempDir()
	r.opts.json, r.opts.html = filepath.Join(dir, "no", "folder"), filepath.Join(dir, "page.html")
	if _, err := r.opts.checkFiles(); err == nil {
		t.Error("a file that cannot be written passes")
	}
	var said strings.Builder
	if err := r.writeFiles(&said); err == nil {
		t.Error("a file was not written, and that is no error")
	}
	if !strings.Contains(contents(r.opts.html), "</html>") || !strings.Contains(said.String(), r.opts.html) || strings.Contains(said.String(), r.opts.json) {
		t.Errorf("said %q", said.String())
	}
}

func TestBusyTime(t *testing.T) {
	if got, want := busyTime("cpu  1 20 300 4000 50000 6 70 800 9 9\ncpu0 1 1 1\n"), 1197*tick; got != want {
		t.Errorf("busy %v, want %v", got, want)
	}
	stop := make(chan struct{})
	var burning sync.WaitGroup
	burning.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	if got := busyCores(200 * time.Millisecond); got < 0.1 {
		t.Errorf("%.2f cores busy while one is burnt", got)
	}
	close(stop)
	burning.Wait()
}

func TestMachine(t *testing.T) {
	m := thisMachine()
	if m.Cores < 1 || m.Memory < 1<<20 || m.Kernel == "" || !strings.HasPrefix(m.Go, "go") {
		t.Errorf("%+v", m)
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("other: 1\nmodel name\t: A: B\nmodel name: C\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := fieldOf(file, "model name", ":"); got != "A: B" {
		t.Errorf("field %q", got)
	}
	if got := fieldOf(file+"x", "model name", ":"); got != "" {
		t.Errorf("field of a missing file %q", got)
	}
}
