package balance

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pen/affinity"
)

// PEN.md 1.4: the first rule that answers wins.
func TestAlgorithmsComeInPensOrder(t *testing.T) {
	// For a new client prio says 3, weight 2, least-conn 1, the old hash 0; the address is chosen so that the old hash does.
	servers := []Server{{Prio: 9, Weight: 1}, {Prio: 9}, {Prio: 9, Weight: 9}, {Prio: 1}}
	c := client("4.0.0.0")
	for _, x := range []struct {
		name string
		plan Plan
		want string
	}{
		{"prio before all", Plan{Prio: true, Weight: true, LeastConn: true, Hash: true, PenHash: true}, "3 prio"},
		{"weight", Plan{Weight: true, LeastConn: true, Hash: true, PenHash: true}, "2 weight"},
		{"least-conn", Plan{LeastConn: true, Hash: true, PenHash: true}, "1 leastconn"},
		{"the old hash before the new", Plan{Hash: true, PenHash: true}, "0 hash"},
		{"round robin when nothing is said", Plan{}, "1 roundrobin"},
		{"-r adds nothing for a new client", Plan{RoundRobin: true, Prio: true}, "3 prio"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f := newFarm(t, x.plan, servers...)
			for name, live := range map[string]int{"0": 3, "2": 3, "3": 3} {
				f.load(name, live)
			}
			if got := f.visit(c); got != x.want {
				t.Errorf("a new client goes to %q, want %q", got, x.want)
			}
			want := x.want[:1] + " affinity"
			if x.plan.RoundRobin {
				want = x.want
			}
			if got := f.visit(c); got != want {
				t.Errorf("then to %q, want %q", got, want)
			}
		})
	}
}

// visits sends one connection of each of n new clients, one after the other.
func (f *farm) visits(n int) string {
	var names []string
	for i := range n {
		name, _, _ := strings.Cut(f.visit(numbered(i)), " ")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// PEN.md 1.4 item 6: the very first client goes to server 1.
func TestRoundRobin(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	if got, want := f.visits(8), "1 2 0 1 2 0 1 2"; got != want {
		t.Errorf("clients go to %s, want %s", got, want)
	}
	// As Pen 0.34.1 -P was seen to do with server 1 down: its share is spread, not heaped on the next.
	f = newFarm(t, Plan{}, make([]Server, 3)...)
	var a Attempt
	if got, s := f.ask(client("127.0.0.1"), &a); got != "1 roundrobin" {
		t.Fatalf("the first goes to %q", got)
	} else {
		f.Failed(s, f.now)
	}
	if got, _ := f.ask(client("127.0.0.1"), &a); got != "2 failover" {
		t.Fatalf("and then to %q", got)
	}
	if got, want := f.visits(7), "2 0 2 0 2 0 2"; got != want {
		t.Errorf("clients go to %s, want %s", got, want)
	}
	if got, want := newFarm(t, Plan{}, Server{}).visits(3), "0 0 0"; got != want {
		t.Errorf("with one server clients go to %s, want %s", got, want)
	}
}

func TestRoundRobinIsEvenForAllLoopsTogether(t *testing.T) {
	const loops, each, servers = 4, 600, 3
	f := newFarm(t, Plan{RoundRobin: true}, make([]Server, servers)...)
	var wg sync.WaitGroup
	for l := range loops {
		wg.Go(func() {
			for i := range each {
				f.visit(numbered(l*each + i))
			}
		})
	}
	wg.Wait()
	for i := range servers {
		if got := f.slot(fmt.Sprint(i)).Connects(); got != loops*each/servers {
			t.Errorf("server %d got %d clients, want exactly %d", i, got, loops*each/servers)
		}
	}
	f.idle()
}

// PEN.md 1.4 item 4.
func TestWeight(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights []int
		live    []int
		down    []string
		want    string
	}{
		{"all idle: the first", []int{5, 5}, []int{0, 0}, nil, "0 weight"},
		{"the lower load", []int{5, 5}, []int{1, 0}, nil, "1 weight"},
		{"load for the weight: 256*2/3 > 256*3/6", []int{3, 6}, []int{2, 3}, nil, "1 weight"},
		{"equal for the weight: the first", []int{2, 4}, []int{1, 2}, nil, "0 weight"},
		{"no weight, no clients", []int{0, 1}, []int{0, 99}, nil, "1 weight"},
		{"not to one that is out", []int{9, 1}, []int{0, 5}, []string{"0"}, "1 weight"},
		{"in whole numbers, as Pen: 256*3/1000 = 0", []int{1000, 1000}, []int{3, 1}, nil, "0 weight"},
		{"no weights at all: nobody", []int{0, 0}, []int{0, 0}, nil, "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers := make([]Server, len(c.weights))
			for i, w := range c.weights {
				servers[i].Weight = w
			}
			f := newFarm(t, Plan{Weight: true}, servers...)
			for i, live := range c.live {
				f.load(fmt.Sprint(i), live)
			}
			f.down(c.down...)
			if got := f.visit(client("127.0.0.1")); got != c.want {
				t.Errorf("the client goes to %q, want %q", got, c.want)
			}
		})
	}
}

// The same on Pen 0.34.1 -P: -W without weights leaves the emergency server, if there is one; and a server without weight still takes failover.
func TestWeightZeroMeansNotByChoice(t *testing.T) {
	f := newFarm(t, Plan{Weight: true, Emergency: &Server{}}, Server{}, Server{})
	if got := f.visit(client("127.0.0.5")); got != "E emergency" {
		t.Errorf("-W without weights, with an emergency server: %q, want E", got)
	}
	if got := fmt.Sprint(f.walk(client("127.0.0.6"))); got != "[E emergency -]" {
		t.Errorf("and when that fails: %s, want nobody", got)
	}
	f = newFarm(t, Plan{Weight: true}, Server{Weight: 5}, Server{})
	if got := fmt.Sprint(f.walk(client("127.0.0.5"))); got != "[0 weight 1 failover -]" {
		t.Errorf("the only weighted server is down: %s", got)
	}
}

func TestLeastConn(t *testing.T) {
	f := newFarm(t, Plan{LeastConn: true}, make([]Server, 3)...)
	if got, want := f.visits(6), "1 2 0 1 2 0"; got != want {
		t.Errorf("ties: clients go to %s, want round: %s", got, want)
	}
	f.load("0", 2)
	f.load("1", 1)
	f.load("2", 3)
	if got := f.visit(client("127.0.0.1")); got != "1 leastconn" {
		t.Errorf("live 2 1 3: %q, want server 1", got)
	}
	f.down("1")
	if got := f.visit(client("127.0.0.2")); got != "0 leastconn" {
		t.Errorf("live 2 out 3: %q, want server 0", got)
	}
	// Connections count from the choice: a burst spreads though nobody has connected yet.
	f = newFarm(t, Plan{LeastConn: true}, make([]Server, 3)...)
	for i := range 300 {
		f.ask(numbered(i), new(Attempt))
	}
	for _, n := range []string{"0", "1", "2"} {
		if got := f.slot(n).Live(); got != 100 {
			t.Errorf("server %s has %d of 300, want 100", n, got)
		}
	}
}

// PEN.md 1.4 item 3: limits are not considered.
func TestPrio(t *testing.T) {
	f := newFarm(t, Plan{Prio: true, RoundRobin: true}, Server{Prio: 2}, Server{Prio: 1, Soft: 1}, Server{Prio: 1})
	c := client("127.0.0.1")
	for i, want := range []string{"1 prio", "2 failover", "2 failover"} {
		if got, _ := f.ask(c, new(Attempt)); got != want {
			t.Errorf("connection %d goes to %q, want %q", i, got, want)
		}
	}
	f.down("1")
	if got := f.visit(c); got != "2 prio" {
		t.Errorf("with 1 out: %q, want 2", got)
	}
	f.down("2")
	if got := f.visit(c); got != "0 prio" {
		t.Errorf("with 1 and 2 out: %q, want 0", got)
	}
}

// PEN.md 1.4 item 5. The rows with a port are as seen on Pen 0.34.1 -P -h -r with three servers.
func TestPenHash(t *testing.T) {
	for _, c := range []struct {
		name    string
		plan    Plan
		servers int
		from    string
		want    string
	}{
		{"IPv4 as a little-endian number", Plan{}, 3, "1.2.4.4:1", "2"}, // 0x04040201 % 3
		{"v4-mapped is IPv4", Plan{}, 3, "[::ffff:1.2.4.4]:1", "2"},
		{"IPv6: the last byte", Plan{}, 7, "[2001:db8::ff]:1", "3"},
		{"a prefix is not looked at", Plan{Prefix: affinity.Prefix{V4: 8, V6: 8}}, 7, "[2001:db8::ff]:1", "3"},
		{"-r mixes the port in", Plan{RoundRobin: true}, 3, "127.0.0.5:42001", "1"},
		{"-r, next port", Plan{RoundRobin: true}, 3, "127.0.0.5:42002", "2"},
		{"-r, third port", Plan{RoundRobin: true}, 3, "127.0.0.5:42003", "0"},
		{"-r leaves IPv6 as it is", Plan{RoundRobin: true}, 7, "[2001:db8::ff]:9", "3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.plan.PenHash = true
			f := newFarm(t, c.plan, make([]Server, c.servers)...)
			if got := f.visit(Client{netip.MustParseAddrPort(c.from)}); got != c.want+" hash" {
				t.Errorf("%s goes to %q, want %s", c.from, got, c.want)
			}
		})
	}
	f := newFarm(t, Plan{PenHash: true}, make([]Server, 3)...)
	if got := f.visit(Client{}); got != "0 hash" {
		t.Errorf("a Unix client goes to %q, want 0", got)
	}
	f = newFarm(t, Plan{PenHash: true}, make([]Server, 3)...)
	f.down("2") // availability is ignored: the walk finds out
	if got := f.visit(client("1.2.4.4")); got != "0 failover" {
		t.Errorf("hashed to a server that is out: %q, want failover to 0", got)
	}
}

// PEN.md B12: on 2^k servers the old placement goes by the first octet alone. The new one does not.
func TestPenHashHasPensBugAndHashHasNot(t *testing.T) {
	for _, c := range []struct {
		plan Plan
		used int
	}{{Plan{PenHash: true}, 1}, {Plan{Hash: true}, 4}} {
		f := newFarm(t, c.plan, make([]Server, 4)...)
		used := map[string]bool{}
		for i := range 64 {
			used[f.visit(client(fmt.Sprintf("127.0.%d.%d", i/8, i)))] = true
		}
		if len(used) != c.used {
			t.Errorf("64 clients of 127.x on 4 servers, old placement %v: %d servers used, want %d", c.plan.PenHash, len(used), c.used)
		}
	}
}

func TestChooseAllocatesNothing(t *testing.T) {
	for name, plan := range plans() {
		t.Run(name, func(t *testing.T) {
			plan.Limits = affinity.Limits{Conns: 9, Rate: affinity.Rate{Count: 9, Per: 1, Burst: 9}}
			f := newFarm(t, plan, weighted(16)...)
			var i atomic.Int64
			if n := testing.AllocsPerRun(200, func() {
				c := numbered(int(i.Add(1)))
				var a Attempt
				choice, ok := f.Choose(c, f.now, &a)
				if !ok {
					t.Fatal("nobody is chosen")
				}
				f.Abandoned(choice.Server)
				if choice, ok = f.Choose(c, f.now, &a); !ok {
					t.Fatal("nobody is chosen the second time")
				}
				stay := a.Stay()
				f.Connected(c, f.now, choice.Server, &a)
				f.Moved(c, stay, choice.Server, 1, 2)
				f.Left(c, stay, choice.Server, 1, 2)
				f.Closed(choice.Server)
			}); n != 0 {
				t.Errorf("%v allocations, want 0", n)
			}
			f.idle()
		})
	}
}

// plans is one plan for each algorithm.
func plans() map[string]Plan {
	return map[string]Plan{
		"RoundRobin": {}, "Prio": {Prio: true}, "Weight": {Weight: true}, "LeastConn": {LeastConn: true}, "Hash": {Hash: true}, "PenHash": {PenHash: true},
	}
}

// weighted is n servers with differing weights.
func weighted(n int) []Server {
	servers := make([]Server, n)
	for i := range servers {
		servers[i].Weight = 1 + i%3
	}
	return servers
}
