package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"--peer", "pen", "--peer", "pen --splice never", "--only", "conn,bulk-up", "--rounds", "3", "--seconds", "0.5", "--json", "f"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.peers) != 2 || !o.chosen || o.rounds != 3 || o.seconds != 0.5 || o.json != "f" || o.seed == 0 {
		t.Errorf("%+v", o)
	}
	var names []string
	for _, w := range o.workloads {
		names = append(names, w.Name)
	}
	if want := []string{"conn-server-close", "conn-client-close", "bulk-up"}; !slices.Equal(names, want) {
		t.Errorf("workloads %v, want %v", names, want)
	}
}

func TestOptionsDefault(t *testing.T) {
	o, err := parseOptions(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.workloads) != len(workloads)-1 || len(o.peers) != len(defaultPeers) || o.chosen {
		t.Errorf("%+v", o)
	}
}

func TestOptionsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown flag":              {"--nonsense"},
		`unexpected argument "x"`:   {"x"},
		"--rounds -1: want":         {"--rounds", "-1"},
		"--seconds 0.001: want":     {"--seconds", "0.001"},
		`--only "web": want some`:   {"--only", "web"},
		"no such peer; want pen":    {"--peer", "envoy"},
		"given twice":               {"--peer", "pen", "--peer", "pen"},
		"only pen takes flags":      {"--peer", "haproxy -x"},
		"--peer: empty":             {"--peer", " "},
		"--peak -1: want":           {"--peak", "-1"},
		"invalid argument \"many\"": {"--rounds", "many"},
	} {
		if _, err := parseOptions(args, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", args, err, want)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if _, err := parseOptions([]string{"--help"}, &out); !errors.Is(err, pflag.ErrHelp) {
		t.Fatalf("error %v", err)
	}
	for _, f := range []string{"--pen PATH", "--peer PEER", "--only WORKLOADS", "--quick", "--rounds N", "--seconds S", "--seed N", "--peak RATE", "--strace", "--json FILE", "--list"} {
		if !strings.Contains(out.String(), f) {
			t.Errorf("%s is not in the help:\n%s", f, out.String())
		}
	}
}

func TestListingNamesEverything(t *testing.T) {
	l := listing()
	for _, k := range kinds {
		if !strings.Contains(l, k.name) {
			t.Errorf("%s is missing from\n%s", k.name, l)
		}
	}
	for _, w := range workloads {
		if !strings.Contains(l, w.Name) {
			t.Errorf("%s is missing from\n%s", w.Name, l)
		}
	}
}

func TestParseSpecs(t *testing.T) {
	specs, err := parseSpecs([]string{"pen", "pen  --poller gnet", "pen:--splice never", "haproxy"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		label, kind string
		flags       []string
	}{
		{"pen", "pen", nil},
		{"pen --poller gnet", "pen", []string{"--poller", "gnet"}},
		{"pen --splice never", "pen", []string{"--splice", "never"}},
		{"haproxy", "haproxy", nil},
	} {
		if s := specs[i]; s.Label != want.label || s.Kind.name != want.kind || !slices.Equal(s.Flags, want.flags) {
			t.Errorf("%d: %+v, want %+v", i, s, want)
		}
	}
}

func TestWorkloadsFit(t *testing.T) {
	names := map[string]bool{}
	for _, w := range workloads {
		s := w.Shape
		if names[w.Name] {
			t.Errorf("%s: there are two", w.Name)
		}
		names[w.Name] = true
		if drivers[s.Driver] == nil {
			t.Errorf("%s: no driver %q", w.Name, s.Driver)
		}
		if s.Up > maxBody || s.Down > maxBody || s.Conns < 1 || s.Clients < 1 || s.Window < 1 {
			t.Errorf("%s: %+v", w.Name, s)
		}
		if limit := (task{Conns: s.open()}).allowed(); s.Conns+s.Steady > limit || limit < maxConns {
			t.Errorf("%s opens %d connections, proxies are set to %d", w.Name, s.Conns+s.Steady, limit)
		}
		if s.Clients%2 == 0 && gcd(s.Clients, stride) != 1 {
			t.Errorf("%s: %d clients have a divisor in common with the stride", w.Name, s.Clients)
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func TestSelectWorkloads(t *testing.T) {
	for name, c := range map[string]struct {
		only       []string
		quick      bool
		with, sans string
	}{
		"a full run":           {nil, false, "clients-1m", "clients-10m"},
		"a quick run":          {nil, true, "latency-50", "latency-25"},
		"a family":             {[]string{"clients"}, true, "clients-1k", "clients-10m"},
		"one that takes long":  {[]string{"clients-10m"}, true, "clients-10m", "clients-1m"},
		"two in another order": {[]string{"storm", "conn"}, false, "conn-client-close", "idle"},
	} {
		chosen, err := selectWorkloads(c.only, c.quick)
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) bool {
			return slices.ContainsFunc(chosen, func(w workload) bool { return w.Name == name })
		}
		if !has(c.with) || has(c.sans) {
			t.Errorf("%s: %d workloads, %s %v, %s %v", name, len(chosen), c.with, has(c.with), c.sans, has(c.sans))
		}
	}
}

func TestSuits(t *testing.T) {
	for _, c := range []struct {
		workload, peer string
		want           bool
	}{
		{"idle", "direct", false}, {"idle", "floor", true}, {"idle", "nginx", true}, {"storm", "direct", true},
		{"clients-1k", "oldpen", true}, {"clients-1k", "nginx", false}, {"clients-100k", "oldpen", false}, {"clients-100k", "haproxy", true},
		{"clients-1m", "haproxy", false}, {"clients-1m", "pen", true}, {"clients-1m", "floor", true}, {"clients-10m", "pen", true}, {"clients-10m", "direct", true},
	} {
		chosen, err := selectWorkloads([]string{c.workload}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := chosen[0].suits(testPeers(t, c.peer)[0].Kind); got != c.want {
			t.Errorf("%s suits %s: %v", c.workload, c.peer, got)
		}
	}
}

func TestStreamModule(t *testing.T) {
	dir := t.TempDir()
	if line, err := streamModule("configure arguments: --with-stream --with-stream_ssl_module"); err != nil || line != "" {
		t.Errorf("built in: %q, %v", line, err)
	}
	if line, err := streamModule("--with-http"); err == nil {
		t.Errorf("without: %q", line)
	}
	dynamic := "--modules-path=" + dir + " --with-stream=dynamic"
	if line, err := streamModule(dynamic); err == nil {
		t.Errorf("module file missing: %q", line)
	}
	file := filepath.Join(dir, "ngx_stream_module.so")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if line, err := streamModule(dynamic); err != nil || line != "load_module "+file+";\n" {
		t.Errorf("module file there: %q, %v", line, err)
	}
}

func TestCommandLines(t *testing.T) {
	servers := []string{"127.0.0.1:1001", "127.0.0.1:1002"}
	p := &peer{spec{Flags: []string{"--splice", "never"}}, program{Path: "/bin/x"}}
	pen, err := penArgv(p, task{Listen: "127.0.0.1:9", Servers: servers})
	if want := []string{"/bin/x", "-f", "-x", "2000", "--splice", "never", "127.0.0.1:9", "127.0.0.1:1001", "127.0.0.1:1002"}; err != nil || !slices.Equal(pen, want) {
		t.Errorf("pen: %v, %v", pen, err)
	}
	old, err := oldPenArgv(p, task{Listen: "127.0.0.1:9", Servers: servers})
	// PEN.md B1: the epoll mode of old Pen never fails over.
	if want := []string{"/bin/x", "-P", "-f", "-x", "2000", "127.0.0.1:9", "127.0.0.1:1001", "127.0.0.1:1002"}; err != nil || !slices.Equal(old, want) {
		t.Errorf("oldpen: %v, %v", old, err)
	}
	big := task{Listen: "127.0.0.1:9", Servers: servers[:1], Family: "storm", Conns: 5100, Clients: 1000}
	pen, err = penArgv(p, big)
	if want := []string{"/bin/x", "-f", "-x", "5100", "-c", "1250", "-q", "4096", "--splice", "never", "127.0.0.1:9", "127.0.0.1:1001"}; err != nil || !slices.Equal(pen, want) {
		t.Errorf("pen for a storm: %v, %v", pen, err)
	}
	for family, want := range map[string]string{"bulk": "option splice-response\n", "conn": "option splice-auto\n"} {
		dir := t.TempDir()
		ha, err := haproxyArgv(p, task{Dir: dir, Listen: "127.0.0.1:9", Servers: servers, Family: family})
		if err != nil || !slices.Equal(ha, []string{"/bin/x", "-db", "-f", dir + "/haproxy.cfg"}) {
			t.Errorf("haproxy: %v, %v", ha, err)
		}
		conf := contents(dir + "/haproxy.cfg")
		for _, line := range []string{want, "bind 127.0.0.1:9\n", "server s0 127.0.0.1:1001\n", "server s1 127.0.0.1:1002\n", "nbthread 2\n", "stick on src\n"} {
			if !strings.Contains(conf, line) {
				t.Errorf("haproxy for %s: no %q in\n%s", family, line, conf)
			}
		}
	}
}
