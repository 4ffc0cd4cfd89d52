package main

import (
	"reflect"
	"testing"
	"time"
)

func TestPaceKeepsItsPromises(t *testing.T) {
	for _, c := range []struct {
		quick bool
		limit time.Duration
	}{{true, time.Minute}, {false, 10 * time.Minute}} {
		for cells := 1; cells <= 56; cells++ { // 8 workloads with up to 7 peers
			p := choosePace(cells, c.quick, 0, 0)
			if whole := time.Duration(cells*p.Rounds) * p.step(); whole > c.limit {
				t.Errorf("quick %v, %d cells: %+v takes %v", c.quick, cells, p, whole)
			}
			if p.Rounds < 1 || p.Window < 300*time.Millisecond || p.Window > 2*time.Second {
				t.Errorf("quick %v, %d cells: %+v", c.quick, cells, p)
			}
		}
	}
}

func TestPaceOfTheDefaults(t *testing.T) {
	cells := len(workloads) * len(defaultPeers)
	if p := choosePace(cells, false, 0, 0); p.Rounds != 5 || p.Window < time.Second {
		t.Errorf("ordinary run: %+v, want 5 rounds of a second at least", p)
	}
	if p := choosePace(cells, true, 0, 0); p.Rounds != 1 || p.Window < 500*time.Millisecond {
		t.Errorf("quick run: %+v, want one round of half a second at least", p)
	}
}

func TestPaceKeepsWishes(t *testing.T) {
	p := choosePace(40, true, 7, 1.5)
	if p.Rounds != 7 || p.Window != 1500*time.Millisecond {
		t.Errorf("7 rounds of 1.5 s became %+v", p)
	}
	if p := choosePace(1000, true, 3, 0); p.Rounds != 3 {
		t.Errorf("3 rounds became %+v", p)
	}
	if p := choosePace(1000, false, 0, 5); p.Window != 5*time.Second || p.Rounds < 1 {
		t.Errorf("5 s became %+v", p)
	}
}

func TestOrder(t *testing.T) {
	const rounds, works, peers = 4, 3, 5
	steps := order(rounds, works, peers, 42)
	if !reflect.DeepEqual(steps, order(rounds, works, peers, 42)) {
		t.Error("the same seed gives another order")
	}
	if reflect.DeepEqual(steps, order(rounds, works, peers, 43)) {
		t.Error("another seed gives the same order")
	}
	if len(steps) != rounds*works*peers {
		t.Fatalf("%d steps, want %d", len(steps), rounds*works*peers)
	}
	seen := map[step]bool{}
	for i, s := range steps {
		if seen[s] {
			t.Errorf("%+v twice", s)
		}
		seen[s] = true
		if s.Round != i/(works*peers) {
			t.Errorf("step %d is of round %d: rounds are mixed up", i, s.Round)
		}
		if first := steps[i/peers*peers]; s.Workload != first.Workload {
			t.Errorf("step %d: the peers of a workload are not measured one after another", i)
		}
	}
}
