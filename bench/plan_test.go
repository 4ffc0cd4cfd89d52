package main

import (
	"reflect"
	"testing"
	"time"
)

// testPeers are peers of the kinds named, which cannot be started.
func testPeers(t *testing.T, words ...string) []*peer {
	t.Helper()
	specs, err := parseSpecs(words)
	if err != nil {
		t.Fatal(err)
	}
	var peers []*peer
	for _, s := range specs {
		peers = append(peers, &peer{spec: s})
	}
	return peers
}

func TestPaceKeepsItsPromises(t *testing.T) {
	all := testPeers(t, append(defaultPeers, "pen --poller gnet")...)
	for _, c := range []struct {
		quick bool
		limit time.Duration
	}{{true, time.Minute}, {false, 15 * time.Minute}} {
		chosen, err := selectWorkloads(nil, c.quick)
		if err != nil {
			t.Fatal(err)
		}
		for w := 1; w <= len(chosen); w++ {
			for n := 1; n <= len(all); n++ {
				e := effortOf(chosen[:w], all[:n], false)
				p := choosePace(e, c.quick, 0, 0)
				if whole := e.once + p.length(e); whole > c.limit {
					t.Errorf("quick %v, %d workloads, %d peers: %+v takes %v", c.quick, w, n, p, whole)
				}
				if p.Rounds < 1 || p.Window < 300*time.Millisecond || p.Window > 2*time.Second {
					t.Errorf("quick %v, %+v: %+v", c.quick, e, p)
				}
			}
		}
	}
}

func TestPaceOfTheDefaults(t *testing.T) {
	peers := testPeers(t, defaultPeers...)
	for _, c := range []struct {
		quick, strace bool
		rounds        int
		window        time.Duration
	}{{false, false, 5, 500 * time.Millisecond}, {false, true, 4, 500 * time.Millisecond}, {true, false, 1, 300 * time.Millisecond}} {
		chosen, err := selectWorkloads(nil, c.quick)
		if err != nil {
			t.Fatal(err)
		}
		if p := choosePace(effortOf(chosen, peers, c.strace), c.quick, 0, 0); p.Rounds != c.rounds || p.Window < c.window {
			t.Errorf("quick %v, strace %v: %+v, want %d rounds of %v at least", c.quick, c.strace, p, c.rounds, c.window)
		}
	}
}

func TestPaceKeepsWishes(t *testing.T) {
	p := choosePace(effort{cells: 40}, true, 7, 1.5)
	if p.Rounds != 7 || p.Window != 1500*time.Millisecond {
		t.Errorf("7 rounds of 1.5 s became %+v", p)
	}
	if p := choosePace(effort{cells: 1000}, true, 3, 0); p.Rounds != 3 {
		t.Errorf("3 rounds became %+v", p)
	}
	if p := choosePace(effort{cells: 1000}, false, 0, 5); p.Window != 5*time.Second || p.Rounds < 1 {
		t.Errorf("5 s became %+v", p)
	}
}

func TestOrder(t *testing.T) {
	// Two families whose workloads stand apart from each other in the list.
	works := []workload{{Name: "a1", Family: "a"}, {Name: "b1", Family: "b"}, {Name: "a2", Family: "a"}, {Name: "b2", Family: "b", Memory: true}}
	peers := testPeers(t, "pen", "direct", "haproxy")
	const rounds, cells = 4, 11 // direct has no memory to measure
	steps := order(rounds, works, peers, 42)
	if !reflect.DeepEqual(steps, order(rounds, works, peers, 42)) {
		t.Error("the same seed gives another order")
	}
	if reflect.DeepEqual(steps, order(rounds, works, peers, 43)) {
		t.Error("another seed gives the same order")
	}
	if len(steps) != rounds*cells {
		t.Fatalf("%d steps, want %d", len(steps), rounds*cells)
	}
	seen := map[step]bool{}
	workloadRuns, familyRuns := 1, 1
	for i, s := range steps {
		if seen[s] {
			t.Errorf("%+v twice", s)
		}
		seen[s] = true
		if s.Round != i/cells {
			t.Errorf("step %d is of round %d: rounds are mixed up", i, s.Round)
		}
		if works[s.Workload].Memory && peers[s.Peer].direct() {
			t.Errorf("%+v means nothing", s)
		}
		if i == 0 {
			continue
		}
		before := steps[i-1]
		if s.Workload != before.Workload {
			workloadRuns++
		}
		if s.Round != before.Round || works[s.Workload].Family != works[before.Workload].Family {
			familyRuns++
		}
	}
	if workloadRuns > rounds*len(works) || familyRuns > rounds*2 {
		t.Errorf("%d runs of a workload, %d of a family: what is compared is not measured one after another", workloadRuns, familyRuns)
	}
}

func TestPlanFitsTheMachine(t *testing.T) {
	o, err := parseOptions([]string{"--only", "idle,storm", "--peer", "pen", "--peer", "direct", "--strace"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(o, testPeers(t, "pen", "direct"), 1000)
	if n := p.Workloads[0].Shape.Conns; n != 300 {
		t.Errorf("%d idle connections where 1000 files may be open", n)
	}
	if n := p.Workloads[1].Shape.Conns; n != 300-steadyConns {
		t.Errorf("a storm of %d connections where 1000 files may be open", n)
	}
	if len(p.Strace) != 0 {
		t.Errorf("calls are counted in %+v", p.Strace)
	}
	o.quick = true
	if p = newPlan(o, testPeers(t, "pen"), 1<<20); p.Workloads[0].Shape.Conns != quickIdle || p.Workloads[1].Shape.Conns != stormConns {
		t.Errorf("quick: %+v", p.Workloads)
	}
	if o.workloads[0].Shape.Conns != idleCount {
		t.Error("the plan changes the options")
	}
}

func TestPlanOfStrace(t *testing.T) {
	o, err := parseOptions([]string{"--strace", "--only", "keepalive-64,clients-1k"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(o, testPeers(t, "pen", "direct", "floor"), 1<<20)
	if len(p.Strace) != 2 {
		t.Errorf("%+v, want keepalive-64 with pen and floor", p.Strace)
	}
}
