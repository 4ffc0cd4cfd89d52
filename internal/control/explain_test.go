package control

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pen/internal/backend"
	"pen/internal/balance"
)

func TestExplainIsALineForEachReason(t *testing.T) {
	in := farm(t, newWorld(), Config{}, "10.0.0.1:80")
	for line, who := range map[string]string{
		"explain 192.0.2.1": "192.0.2.1:0", "explain 192.0.2.1:70": "192.0.2.1:70", "explain 2001:db8::1": "[2001:db8::1]:0", "explain [2001:db8::1]:7": "[2001:db8::1]:7", "explain unix": "invalid AddrPort",
	} {
		equal(t, line, do(t, in, line), "home: none\nanswer: server 2 for "+who+"\n")
	}
	fails(t, in, "explain", Network, "missing")
	fails(t, in, "explain www1", Network, `"www1" is no address`)
}

// supposes runs a simulation that must not fail, and returns what the world was asked.
func supposes(t *testing.T, w *fakeWorld, in *Interpreter, line string) balance.Supposition {
	t.Helper()
	before, claimed := in.State(), w.slots.Len()
	applied, _ := w.count()
	if _, err := in.Do("simulate "+line, Network); err != nil {
		t.Fatalf("simulate %s: %v", line, err)
	}
	same(t, in.State(), before)
	if now, _ := w.count(); now != applied || w.slots.Len() != claimed {
		t.Errorf("simulate %s: %d states are applied and %d slots claimed", line, now-applied, w.slots.Len()-claimed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.supposed[len(w.supposed)-1]
}

func TestSimulateSupposesWhatTheCommandWouldDo(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	in := farm(t, w, Config{Dirs: []string{dir}}, "10.0.0.1:80", "10.0.0.2:80")
	do(t, in, "server 2 address 10.0.0.3 port 80", "no server 2")
	then := supposes(t, w, in, "server 1 weight 7 prio 2")
	if s := then.Plan.Servers[1]; s.Weight != 7 || s.Prio != 2 || s.ID != 2 || len(then.Edits) != 0 || len(then.Down) != 0 {
		t.Errorf("weight and prio: %+v", then)
	}
	if then = supposes(t, w, in, "server 2 address 10.0.0.3 port 80"); then.Plan.Servers[2].ID != 3 {
		t.Errorf("a server that returns has id %d, want the one it had, 3", then.Plan.Servers[2].ID)
	}
	if then = supposes(t, w, in, "server 2 address 10.0.0.4 port 80"); then.Plan.Servers[2].ID != 4 {
		t.Errorf("a server that is new has id %d, want one that nobody has, 4", then.Plan.Servers[2].ID)
	}
	if then = supposes(t, w, in, "no server 0"); then.Plan.Servers[0].ID != backend.None {
		t.Errorf("a server that is removed: %+v", then.Plan.Servers[0])
	}
	if then = supposes(t, w, in, "tracking 70"); then.Tracking != 70*time.Second {
		t.Errorf("tracking %v", then.Tracking)
	}
	file := filepath.Join(dir, "new.conf")
	if err := os.WriteFile(file, []byte("least_conn\nserver 1 drain\nservers\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	then = supposes(t, w, in, "file "+file)
	if !then.Plan.LeastConn || len(then.Edits) != 1 {
		t.Errorf("a file: %+v", then)
	}
	for _, c := range []struct {
		command string
		health  backend.Health
		down    bool
	}{
		{"server 1 down", backend.Health{ProbeDown: true, Shunned: true}, true},
		{"server 1 up", backend.Health{}, false},
		{"server 1 drain", backend.Health{Drained: true, Shunned: true}, false},
		{"server 1 blacklist 9", backend.Health{Banned: true}, false},
	} {
		slot := new(backend.Slot)
		slot.Shun(epoch + 1)
		then = supposes(t, w, in, c.command)
		for _, e := range then.Edits {
			if e.Change(slot); e.ID != 2 {
				t.Errorf("%s: slot %d is edited", c.command, e.ID)
			}
		}
		if slot.Health(epoch) != c.health || then.Down[2] != c.down || w.slots.Get(2).Health(epoch) != (backend.Health{}) {
			t.Errorf("%s: %+v and down %v; the server itself %+v", c.command, slot.Health(epoch), then.Down, w.slots.Get(2).Health(epoch))
		}
	}
}

func TestSimulateRefuses(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	in := farm(t, w, Config{Dirs: []string{dir}}, "10.0.0.1:80")
	outside, down := filepath.Join(t.TempDir(), "new.conf"), filepath.Join(dir, "down.conf")
	for _, file := range []string{outside, down} {
		if err := os.WriteFile(file, []byte("server 0 down\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, word := range map[string]string{
		"":                   "missing",
		"servers":            "changes nothing",
		"simulate weight":    "changes nothing",
		"write":              "changes nothing",
		"frob":               "unknown word",
		"server 0 weight x":  "whole number",
		"server 7 down":      "no server 7",
		"file":               "missing",
		"file " + outside:    "--control-files",
		"file " + down:       "value is missing",
		"no server":          "missing",
		"emergency nowhere:": "nowhere",
	} {
		fails(t, in, "simulate "+line, Network, word)
	}
	fails(t, in, "server 0 down", Network, "value is missing") // it is of simulations only
	for command, word := range map[string]string{
		"": "missing", "file " + down: "control port", "include " + down: "control port", "log /tmp/log": "control port", "server 0 address /tmp/socket": "control port",
		"server 0 address www1": "looks names up", "emergency www1:80": "looks names up", "source www1": "looks names up",
	} { // whoever sees the page
		if _, err := in.Simulate(command); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q for an onlooker: %v, want it to say %q", command, err, word)
		}
	}
	if len(w.supposed) != 0 {
		t.Errorf("%d simulations, want none", len(w.supposed))
	}
}

func TestForecastInWords(t *testing.T) {
	w := newWorld()
	one, two, nobody := balance.Place{Number: 1, Name: "www1:80"}, balance.Place{Number: balance.EmergencyNumber, Name: "spare:80"}, balance.Place{Number: balance.NoNumber}
	w.forecast = &balance.Simulation{
		Clients:     balance.Movement{Total: 8, Moved: 5, Moves: []balance.Move{{From: one, To: two, Count: 4}, {From: one, To: nobody, Count: 1}}},
		Connections: balance.Movement{},
		Servers:     []balance.Load{{Place: one, ClientsNow: 8, ClientsThen: 3}, {Place: two, ClientsThen: 4}, {Place: nobody, ClientsThen: 1}},
	}
	in := farm(t, w, Config{}, "10.0.0.1:80")
	equal(t, "forecast", do(t, in, "simulate server 0 down"), fmt.Sprint(
		"4 clients move from server 1 www1:80 to the emergency server spare:80\n",
		"1 clients move from server 1 www1:80 to nobody\n",
		"server 1 www1:80: clients 8 now, 3 (37.5 %) then; connections 0 now, 0 then\n",
		"the emergency server spare:80: clients 0 now, 4 (50.0 %) then; connections 0 now, 0 then\n",
		"nobody: clients 0 now, 1 (12.5 %) then; connections 0 now, 0 then\n",
		"5 of 8 clients and 0 of 0 connections move\n"))
}
