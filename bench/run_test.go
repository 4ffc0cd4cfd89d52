package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// testRunner measures the given peers with a short workload.
func testRunner(t *testing.T, peers ...*peer) (*runner, *report) {
	t.Helper()
	back, err := startServerChild()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := back.Stop(stopGrace); err != nil {
			t.Error(err)
		}
	})
	if len(back.addrs) != serverCount {
		t.Fatalf("servers at %v", back.addrs)
	}
	chosen, err := selectWorkloads([]string{"bulk-both"}, false)
	if err != nil {
		t.Fatal(err)
	}
	chosen[0].Shape = small(chosen[0].Shape)
	p := &plan{pace: pace{3, 20 * time.Millisecond, 60 * time.Millisecond}, Workloads: chosen, Peers: peers, Steps: order(3, chosen, peers, 1)}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return &runner{dir: t.TempDir(), servers: back.addrs, serversPid: back.Pid(), plan: p, progress: newProgress(null)}, newReport(&options{}, machine{}, p, nil)
}

// relayPeer is a proxy that works: this test binary.
func relayPeer() *peer {
	k := &kind{name: "relay", argv: func(_ *peer, t task) ([]string, error) {
		return append(roleArgv("relay"), t.Listen, t.Servers[0]), nil
	}}
	return &peer{spec: spec{Label: "relay", Kind: k}}
}

func TestRun(t *testing.T) {
	direct := &peer{spec: spec{Label: "direct", Kind: &kind{name: "direct"}}}
	broken := &peer{spec: spec{Label: "broken", Kind: &kind{name: "broken", argv: func(*peer, task) ([]string, error) {
		return []string{"sh", "-c", "echo no such option >&2; exit 1"}, nil
	}}}}
	r, rep := testRunner(t, relayPeer(), direct, broken)
	if err := r.run(context.Background(), rep); err != nil {
		t.Fatal(err)
	}
	for w, l := range rep.plan.Workloads {
		for p := range 2 {
			c := rep.cell(w, p)
			if len(c.Rounds) != 3 || c.failures() != 0 {
				t.Errorf("%s %s: %+v", l.Name, rep.plan.Peers[p].Label, c.Rounds)
			}
			for _, m := range c.Rounds {
				if (m.CPU > 0) != (p == 0) || (m.RSS > 0) != (p == 0) || m.ServersCPU <= 0 || m.LoadCPU <= 0 {
					t.Errorf("%s %s: %+v", l.Name, rep.plan.Peers[p].Label, m)
				}
			}
		}
		c := rep.cell(w, 2)
		if len(c.Rounds) != giveUp || c.failures() != giveUp || !strings.Contains(c.last().Error, "start broken: it ended at once: no such option") {
			t.Errorf("%s broken: %+v", l.Name, c.Rounds)
		}
	}
	if ratio := rep.cell(0, 1).ratio(rep.cell(0, 0), rateOf); ratio.N != 3 {
		t.Errorf("ratio %+v", ratio)
	}
}

func TestRunInterrupted(t *testing.T) {
	r, rep := testRunner(t, relayPeer())
	r.plan.Window = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := r.run(ctx, rep); err != nil {
		t.Fatal(err)
	}
	if !rep.Interrupted || rep.failed() {
		t.Errorf("interrupted %v, failed %v", rep.Interrupted, rep.failed())
	}
}

// A proxy that dies under load is named as what went wrong.
func TestProxyDies(t *testing.T) {
	k := &kind{name: "mortal", argv: func(_ *peer, t task) ([]string, error) {
		return []string{"sh", "-c", `"$@" & sleep 0.5; echo out of luck >&2; kill -9 $!; exit 7`, "sh", fmt.Sprintf("/proc/%d/exe", os.Getpid()), roleWord, "relay", t.Listen, t.Servers[0]}, nil
	}}
	p := &peer{spec{"mortal", k, nil}, program{Path: "/bin/mortal"}}
	r, rep := testRunner(t, p)
	r.plan.Window = time.Second
	m := r.one(context.Background(), rep.plan.Workloads[0], p, nil)
	if m.valid() || !strings.Contains(m.Error, "mortal ended") || !strings.Contains(m.Error, "out of luck") {
		t.Errorf("%+v", m)
	}
}

func TestFindPeers(t *testing.T) {
	absent := &kind{name: "absent", find: func() (program, error) { return program{}, os.ErrNotExist }}
	there := &kind{name: "there", find: func() (program, error) { return program{Version: "1"}, nil }}
	o := &options{peers: []spec{{Label: "absent", Kind: absent}, {Label: "there", Kind: there}}}
	found, missing, err := findPeers(context.Background(), o, t.TempDir(), nil)
	if err != nil || len(found) != 1 || found[0].Version != "1" || len(missing) != 1 || missing[0].Label != "absent" {
		t.Errorf("%v, %v, %v", found, missing, err)
	}
	o.chosen = true
	if _, _, err := findPeers(context.Background(), o, t.TempDir(), nil); err == nil {
		t.Error("a peer asked for by name is missing, and that is no error")
	}
}

// The whole plot, with nothing but servers and load.
func TestBench(t *testing.T) {
	file := t.TempDir() + "/out.json"
	if status := bench([]string{"--peer", "direct", "--only", "keepalive-1", "--rounds", "1", "--seconds", "0.05", "--json", file}); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if !strings.Contains(contents(file), `"units_per_second"`) {
		t.Errorf("JSON: %q", contents(file))
	}
	for want, args := range map[int][]string{
		exitUsage:  {"--rounds", "none"},
		exitFailed: {"--peer", "direct", "--json", t.TempDir() + "/no/such/folder"},
		0:          {"--list"},
	} {
		if status := bench(args); status != want {
			t.Errorf("%v: exit status %d, want %d", args, status, want)
		}
	}
}
