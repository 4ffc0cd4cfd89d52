package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
	chosen, err := selectWorkloads([]string{"conn-server-close", "bulk-down"})
	if err != nil {
		t.Fatal(err)
	}
	m := machine{CPU: "Slow", Cores: 2, Memory: 4 << 30, OS: "Debian", Kernel: "6.1", Go: "go1.26 amd64", Busy: 0.1, Time: "2026-01-02T03:04:05Z"}
	r := newReport(&options{args: []string{"--rounds", "2"}}, m, &plan{pace: pace{2, 100 * time.Millisecond, time.Second}, Seed: 1, Workloads: chosen, Peers: peers}, []missingPeer{{"nginx", "not installed: apt-get install nginx"}})
	ok := func(round int, units int64, cpu float64, rss int64) measurement {
		return newMeasurement(outcome{Units: units, Elapsed: time.Second, Proxy: usage{CPU: time.Duration(cpu * 1e9), RSS: rss},
			Servers: usage{CPU: 300 * time.Millisecond}, Load: usage{CPU: 400 * time.Millisecond}}).in(round)
	}
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

func (m measurement) in(round int) measurement {
	m.Round = round
	return m
}

const wantTable = `machine  Slow, 2 cores, 4 GiB, Debian, Linux 6.1, go1.26 amd64
run      bench --rounds 2, 2026-01-02T03:04:05Z
method   2 rounds of 1 s after 0.1 s of warm-up, in random order (--seed 1), each peer freshly started, every byte checked
peer     pen: pen 1, abc+, default settings, but for flags given with it
peer     haproxy: HAProxy, tcp mode, 2 threads, stick table; splicing always for bulk, by its own judgement else
peer     oldpen: Ulric Eriksson's Pen as Debian has it, with -P (PEN.md B1)
missing  nginx: not installed: apt-get install nginx

connections per second, the server closes first (one request each, 32 at a time)
  peer           rate         pen ÷ peer   CPU per connection         pen ÷ peer   cores: proxy servers load        RSS
  ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  direct     22 000/s   0.56 (0.53–0.60)                    –                                      0.30 0.40          –
  pen        12 300/s                                50.40 µs                                 0.62 0.30 0.40   11.0 MiB
  haproxy    10 000/s   1.23 (1.20–1.26)             65.00 µs   0.82 (0.62–1.02)              0.65 0.30 0.40   20.0 MiB
  oldpen !    6 000/s               2.00            100.00 µs               0.50              0.60 0.30 0.40    5.0 MiB
  ! oldpen: 1 of 2 rounds failed and left out, 3 errors; the first: connect 127.0.0.1:1: connection refused

bulk throughput, servers to clients (8 connections)
  peer            rate   pen ÷ peer   CPU per GB   pen ÷ peer   cores: proxy servers load        RSS
  ──────────────────────────────────────────────────────────────────────────────────────────────────
  direct             –                         –                                        –          –
  pen        2.00 GB/s                   0.250 s                           0.50 0.30 0.40   10.0 MiB
  haproxy            –                         –                                        –          –
  oldpen !           –                         –                                        –          –
  ! oldpen: 1 of 1 round failed and left out, 1 error; the first: i/o timeout

pen ÷ peer: median of the ratios of paired rounds (lowest–highest). Rate: above 1 pen is faster. CPU: below 1 it needs less.
CPU and RSS are of the proxy's whole process tree; cores are CPU seconds per second.
`

func TestTable(t *testing.T) {
	if got := testReport(t).Text(); got != wantTable {
		t.Errorf("got\n%s\nwant\n%s", got, wantTable)
	}
}

func TestTableOfABusyMachine(t *testing.T) {
	r := testReport(t)
	r.machine.Busy = 1.5
	r.Interrupted = true
	for _, want := range []string{"1.5 cores of 2", "interrupted"} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
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
	file := filepath.Join(t.TempDir(), "out.json")
	r := testReport(t)
	if err := r.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	var back jsonReport
	if err := json.Unmarshal([]byte(contents(file)), &back); err != nil {
		t.Fatal(err)
	}
	if back.Format != jsonFormat || back.Reference != "pen" || len(back.Peers) != 4 || len(back.Missing) != 1 || back.Machine.Kernel != "6.1" || back.Window != 1 {
		t.Errorf("%+v", back)
	}
	ha := back.Workloads[0].Peers[2]
	if ha.Name != "haproxy" || ha.Rate.Median != 10000 || ha.RateRatio.N != 2 || len(ha.Rounds) != 2 || ha.Rounds[1].CPU != 0.5 {
		t.Errorf("%+v", ha)
	}
	if d := back.Workloads[0].Peers[0]; d.CPU.N != 0 || d.CPURatio.N != 0 || d.RateRatio.N != 2 {
		t.Errorf("direct: %+v", d)
	}
	if back.Workloads[0].Peers[3].Rounds[1].Error == "" {
		t.Error("the error is lost")
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for got, want := range map[string]string{
		connection.rate(12345.6): "12 346/s", byteUnit.rate(1.5e9): "1.50 GB/s",
		request.cpu(12.5e-6): "12.50 µs", byteUnit.cpu(0.25e-9): "0.250 s",
		ratioText(spread{}): "–", ratioText(spread{1.5, 1, 2, 3}): "1.50 (1.00–2.00)", ratioText(spread{1.5, 1.5, 1.5, 1}): "1.50",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
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
