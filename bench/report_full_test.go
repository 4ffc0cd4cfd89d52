package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// fullReport is a report with every kind of workload and peer, as an ordinary run makes it. Its figures are made up, always the same.
func fullReport(t *testing.T) *report {
	t.Helper()
	const rounds = 5
	// speed is how fast a peer is, and cost how much CPU time it needs, beside pen.
	peers := []struct {
		spec        string
		speed, cost float64
	}{{"pen", 1, 1}, {"pen --poller gnet --splice never", 0.97, 1.06}, {"direct", 1.8, 0}, {"floor", 1.04, 0.93}, {"haproxy", 0.81, 1.3}, {"nginx", 0.74, 1.41}, {"oldpen", 0.45, 1.9}}
	p := &plan{pace: pace{Rounds: rounds, Warm: 500 * time.Millisecond, Window: 2 * time.Second}, Seed: 7}
	for _, one := range peers {
		k := &kind{name: one.spec, what: "made up", argv: func(*peer, task) ([]string, error) { return nil, nil }}
		switch one.spec {
		case "direct":
			k.argv, k.baseline = nil, true
		case "floor":
			k.baseline = true
		case "pen --poller gnet --splice never":
			k.name = "pen"
		}
		p.Peers = append(p.Peers, &peer{spec: spec{Label: one.spec, Kind: k}, program: program{Version: "1.2.3"}})
	}
	p.Workloads = []workload{
		{Name: "conn-server-close", Family: "conn", Title: "connections per second, the server closes first (one request each, 32 at a time)", Unit: connection},
		{Name: "keepalive-64", Family: "keepalive", Title: "requests per second on 64 keep-alive connections", Unit: request},
		{Name: "bulk-down", Family: "bulk", Title: "bulk throughput, servers to clients (8 connections)", Unit: byteUnit},
		{Name: "latency-25", Family: "latency", Title: "latency at a quarter of the peak", Unit: request, X: 0.25},
		{Name: "latency-50", Family: "latency", Title: "latency at half the peak", Unit: request, X: 0.5},
		{Name: "latency-75", Family: "latency", Title: "latency at three quarters of the peak", Unit: request, X: 0.75},
		{Name: "idle", Family: "idle", Title: "memory of 5 000 idle connections", Unit: connection},
		{Name: "clients-1k", Family: "clients", Title: "connections per second with 1 000 known clients", Unit: connection, X: 1e3},
		{Name: "clients-100k", Family: "clients", Title: "connections per second with 100 000 known clients", Unit: connection, X: 1e5},
		{Name: "clients-1m", Family: "clients", Title: "connections per second with 1 000 000 known clients", Unit: connection, X: 1e6},
		{Name: "clients-10m", Family: "clients", Title: "connections per second with 10 000 000 known clients", Unit: connection, X: 1e7},
		{Name: "storm", Family: "storm", Title: "5 000 connections at once on top of a steady load", Unit: connection},
	}
	m := machine{CPU: "Made-up CPU at 3 GHz", Cores: 2, Memory: 24 << 30, OS: "Debian GNU/Linux 12", Kernel: "6.1.0-9", Go: "go1.26 amd64", Time: "2026-01-02T03:04:05Z"}
	r := newReport(&options{args: []string{"--html", "out.html"}}, m, p, nil)
	r.conditions, r.Took = conditions{"cubic", 2, "0123456789ab"}, 871*time.Second
	rnd := rand.New(rand.NewPCG(1, 2))
	about := func(v float64) float64 { return v * (1 + 0.04*(rnd.Float64()-0.5)) }
	for w, l := range p.Workloads {
		for i, one := range peers {
			if l.Family == "clients" && l.X > 1e6 && one.spec != "pen" && one.spec != "direct" {
				continue
			}
			for round := range rounds {
				rate, cpu := about(30000*one.speed), about(55e-6*one.cost)
				switch {
				case l.Unit == request:
					rate, cpu = about(140000*one.speed), about(11e-6*one.cost)
				case l.Unit == byteUnit:
					rate, cpu = about(4.2e9*one.speed), about(0.21e-9*one.cost)
				case l.Family == "clients":
					rate *= 1 - 0.012*math.Log10(l.X)
				}
				x := ok(round, int64(rate), rate*cpu, int64(about(21<<20)))
				x.SystemCPU = 1.9
				if cpu > 0 {
					x.Syscalls = 4.02
				}
				switch l.Family {
				case "latency":
					x.Latency = madeUpLatency(l.X*113000, 90e-6/one.speed*(1+l.X), 1-l.X, about)
					x.Rate = x.Latency.Achieved
				case "idle":
					x.Idle = &idle{5000, about(380 * max(one.cost, 0.1))}
				case "storm":
					x.Storm = &storm{5000, int(5000 * min(1, one.speed+0.1)), 5000 - int(5000*min(1, one.speed+0.1)), about(0.12 / one.speed)}
				}
				if one.spec == "direct" {
					x.RSS, x.Idle = 0, nil
				}
				r.cell(w, i).Rounds = append(r.cell(w, i).Rounds, x)
			}
		}
	}
	return r
}

// madeUpLatency has a tail that grows with every nine.
func madeUpLatency(offered, median, room float64, about func(float64) float64) *latency {
	l := &latency{Offered: offered, Achieved: offered * 0.999}
	at := func(n float64) float64 { return about(median * (0.7 + n + 0.6*math.Pow(n, 2.4)/room)) }
	const perNine, nines = 16, 5
	for i := range perNine * nines {
		n := float64(i) / perNine
		s := at(n)
		if i > 0 {
			s = max(s, l.Curve[i-1].Seconds)
		}
		l.Curve = append(l.Curve, point{1 - math.Pow(10, -n), s})
	}
	l.Max = l.Curve[len(l.Curve)-1].Seconds * 1.3
	l.Curve = append(l.Curve, point{1, l.Max})
	l.P50, l.P90, l.P99, l.P999 = l.at(0.5), l.at(0.9), l.at(0.99), l.at(0.999)
	return l
}

func TestFamilies(t *testing.T) {
	r := fullReport(t)
	if got, want := fmt.Sprint(r.families()), "[[0] [1] [2] [3 4 5] [6] [7 8 9 10] [11]]"; got != want {
		t.Errorf("families %s, want %s", got, want)
	}
}
