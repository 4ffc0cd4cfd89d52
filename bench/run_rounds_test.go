package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

// runnerFor is a runner of the given workloads, made small.
func runnerFor(t *testing.T, rounds int, peers []*peer, works ...workload) (*runner, *report) {
	t.Helper()
	r, _ := testRunner(t, peers...)
	for i := range works {
		works[i].Shape = small(works[i].Shape)
	}
	r.plan.Workloads, r.plan.Steps = works, order(rounds, works, peers, 1)
	return r, newReport(&options{}, machine{}, r.plan, nil)
}

// Clients are made known once, and the peer that knows them stays for all rounds.
func TestFilledPeersAreKept(t *testing.T) {
	relay, direct := relayPeer(), &peer{spec: spec{Label: "direct", Kind: &kind{name: "direct", baseline: true}}}
	relay.Kind.knows = 500
	argv, starts := relay.Kind.argv, 0
	relay.Kind.argv = func(p *peer, t task) ([]string, error) {
		starts++
		if t.slots() != 375 {
			return nil, errors.New("another number of slots")
		}
		return argv(p, t)
	}
	r, rep := runnerFor(t, 2, []*peer{relay, direct}, known(300, "300"))
	if err := r.run(context.Background(), rep); err != nil {
		t.Fatal(err)
	}
	if starts != 1 || len(r.kept) != 0 {
		t.Errorf("started %d times, %d left", starts, len(r.kept))
	}
	for p := range 2 {
		if c := rep.cell(0, p); len(c.Rounds) != 2 || c.failures() != 0 {
			t.Errorf("%s: %+v", r.plan.Peers[p].Label, c.Rounds)
		}
	}
}

// A peer that cannot be filled fails once, and is not tried again.
func TestFillFails(t *testing.T) {
	p := &peer{spec: spec{Label: "broken", Kind: &kind{name: "broken", knows: 1000, argv: func(*peer, task) ([]string, error) { return nil, errors.New("no such luck") }}}}
	r, rep := runnerFor(t, 3, []*peer{p}, known(300, "300"))
	if err := r.run(context.Background(), rep); err != nil {
		t.Fatal(err)
	}
	if c := rep.cell(0, 0); len(c.Rounds) != 1 || c.failures() != 1 || !strings.Contains(c.last().Error, "no such luck") {
		t.Errorf("%+v", c.Rounds)
	}
}

// System calls are counted in a round of their own, and told with the others.
func TestRunCountsCalls(t *testing.T) {
	relay := relayPeer()
	r, rep := runnerFor(t, 1, []*peer{relay}, keepalive(4))
	r.plan.Strace = r.plan.Steps
	if err := r.run(context.Background(), rep); err != nil {
		t.Fatal(err)
	}
	c := rep.cell(0, 0)
	// Two reads and two writes at least; Go's own come on top.
	if len(c.Rounds) != 1 || c.failures() != 0 || c.last().Syscalls < 3.5 || c.last().Syscalls > 200 {
		t.Errorf("%+v", c.Rounds)
	}
}

func TestSetRates(t *testing.T) {
	relay := relayPeer()
	r, _ := runnerFor(t, 1, []*peer{relay}, latencyAt(50), keepalive(1))
	if err := r.setRates(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := r.plan.Workloads[0]
	if w.Shape.Rate < 10 || w.X != w.Shape.Rate || !strings.Contains(w.Title, "50 % of the peak of relay") {
		t.Errorf("%+v", w)
	}
	r.peak = 3000
	if err := r.setRates(context.Background()); err != nil || math.Abs(r.plan.Workloads[0].X-1500) > 1e-9 {
		t.Errorf("%+v, %v", r.plan.Workloads[0], err)
	}
	if w := r.plan.Workloads[1]; w.Shape.Rate != 0 || w.X != 0 {
		t.Errorf("a workload without a rate was given one: %+v", w)
	}
	broken := &peer{spec: spec{Label: "broken", Kind: &kind{name: "broken", argv: func(*peer, task) ([]string, error) { return nil, errors.New("no") }}}}
	r.peak, r.plan.Peers = 0, []*peer{broken}
	if err := r.setRates(context.Background()); err == nil || !strings.Contains(err.Error(), "no peer can do") {
		t.Errorf("error %v", err)
	}
}

func TestPeakPeers(t *testing.T) {
	for _, c := range []struct{ all, want string }{
		{"pen direct floor haproxy oldpen", "haproxy oldpen"},
		{"direct pen floor", "pen"},
		{"direct floor", "direct floor"},
	} {
		var got []string
		for _, p := range peakPeers(testPeers(t, strings.Fields(c.all)...)) {
			got = append(got, p.Label)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("of %s: %v, want %s", c.all, got, c.want)
		}
	}
}

// Idle memory of a proxy that takes what each connection costs is found, near enough.
func TestIdleMemory(t *testing.T) {
	at := startFloor(t, floor, testServers(t)...)
	j := testJob(t, "idle", at.addrs)
	j.Proxy, j.Shape.Conns = at.pid(), 400
	o, err := drive(context.Background(), j)
	if err != nil || o.Errors != 0 || o.Units != 360 || o.Idle == nil {
		t.Fatalf("%+v, %v", o, err)
	}
	// struct conn of floor.c and what malloc adds, up to whole pages in each loop.
	if b := o.Idle.BytesPerConn; o.Idle.Conns != 400 || b > 2000 {
		t.Errorf("%+v", o.Idle)
	}
	j.Proxy = 0
	if _, err := drive(context.Background(), j); err == nil {
		t.Error("memory is found where there is no proxy")
	}
}
