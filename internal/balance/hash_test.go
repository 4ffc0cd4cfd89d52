package balance

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"

	"pen/affinity"
)

// placed is where the hash puts each of n clients, by server name.
func (f *farm) placed(n int) []string {
	f.t.Helper()
	p := f.current.Load()
	names := make([]string, n)
	for i := range names {
		place := p.byHash(p.Prefix.Key(numbered(i).Addr.Addr()), f.now, false)
		if place == nobody {
			f.t.Fatal("the hash finds nobody")
		}
		names[i] = p.Servers[place].Name
	}
	return names
}

func count(names []string) map[string]int {
	n := map[string]int{}
	for _, name := range names {
		n[name]++
	}
	return n
}

// moved counts the clients that are elsewhere in after, other than from and to the servers named.
func moved(before, after []string, from, to string) int {
	n := 0
	for i := range before {
		if before[i] != after[i] && before[i] != from && after[i] != to {
			n++
		}
	}
	return n
}

const hashClients = 12_000

func TestHashSharesAreEven(t *testing.T) {
	for _, n := range []int{2, 3, 16, 100} {
		f := newFarm(t, Plan{Hash: true}, make([]Server, n)...)
		shares := count(f.placed(hashClients))
		// The share is binomial; 5 standard deviations are passed once in two million.
		mean := float64(hashClients) / float64(n)
		allowed := 5 * math.Sqrt(mean*(1-1/float64(n)))
		for i := range n {
			if got := float64(shares[fmt.Sprint(i)]); math.Abs(got-mean) > allowed {
				t.Errorf("%d servers: server %d has %v clients, want %.0f ± %.0f", n, i, got, mean, allowed)
			}
		}
	}
}

// A server that is down, drained, banned or removed takes its own clients along and nobody else's; when it returns it has the same ones.
func TestHashMovesOnlyTheClientsOfTheServerThatGoes(t *testing.T) {
	servers := make([]Server, 8)
	f := newFarm(t, Plan{Hash: true}, servers...)
	before := f.placed(hashClients)
	for name, out := range map[string]struct{ leave, come func() }{
		"down":    {func() { f.down("5") }, func() { f.up("5") }},
		"shunned": {func() { f.slot("5").Shun(f.now + 1) }, func() { f.slot("5").Forgive() }},
		"drained": {func() { f.slot("5").SetDrained(true) }, func() { f.slot("5").SetDrained(false) }},
		"banned":  {func() { f.slot("5").Ban(f.now + 1) }, func() { f.slot("5").Ban(0) }},
		"removed": {
			func() {
				f.Publish(fill(t, f.slots, Plan{Hash: true}, slices.Delete(slices.Clone(f.Plan().Servers), 5, 6)))
			},
			func() { f.Publish(fill(t, f.slots, Plan{Hash: true}, servers)) },
		},
	} {
		out.leave()
		during := f.placed(hashClients)
		out.come()
		if count(during)["5"] != 0 {
			t.Errorf("%s: clients are still led to server 5", name)
		}
		if n := moved(before, during, "5", ""); n != 0 {
			t.Errorf("%s: %d clients of other servers moved, want 0", name, n)
		}
		if after := f.placed(hashClients); !slices.Equal(before, after) {
			t.Errorf("%s: it has not all its clients back", name)
		}
	}
}

func TestHashGoesByNameOnly(t *testing.T) {
	f := newFarm(t, Plan{Hash: true}, make([]Server, 5)...)
	before := f.placed(hashClients)
	turned := slices.Clone(f.Plan().Servers)
	slices.Reverse(turned)
	for i := range turned {
		turned[i].Addr.IP = netip.AddrPortFrom(netip.MustParseAddr("10.9.9.9"), uint16(1000+i))
	}
	f.Publish(fill(t, f.slots, Plan{Hash: true}, turned))
	if !slices.Equal(before, f.placed(hashClients)) {
		t.Error("a new order and new addresses move clients")
	}
	// One more server takes its share from all the others, who exchange nothing among themselves.
	f.Publish(fill(t, f.slots, Plan{Hash: true}, append(turned, Server{Name: "new"})))
	after := f.placed(hashClients)
	if n := moved(before, after, "", "new"); n != 0 || count(after)["new"] < hashClients/7 {
		t.Errorf("a new server gets %d clients, and %d move between the others; want about %d and 0", count(after)["new"], n, hashClients/6)
	}
}

func TestHashHeedsWeightsWhenAllAreSet(t *testing.T) {
	weights := []int{1, 2, 3, 6}
	servers := make([]Server, len(weights))
	for i, w := range weights {
		servers[i].Weight = w
	}
	f := newFarm(t, Plan{Hash: true}, servers...)
	before := f.placed(hashClients)
	for i, w := range weights {
		share := float64(w) / 12
		mean, allowed := share*hashClients, 5*math.Sqrt(hashClients*share*(1-share))
		if got := float64(count(before)[fmt.Sprint(i)]); math.Abs(got-mean) > allowed {
			t.Errorf("weight %d of 12 has %v clients, want %.0f ± %.0f", w, got, mean, allowed)
		}
	}
	servers[3].Weight = 4
	f.Publish(fill(t, f.slots, Plan{Hash: true}, servers))
	if n := moved(before, f.placed(hashClients), "3", ""); n != 0 {
		t.Errorf("a lower weight for server 3 moves %d clients of others, want 0", n)
	}

	even := newFarm(t, Plan{Hash: true}, make([]Server, 4)...).placed(hashClients)
	for i := range servers {
		servers[i].Weight = 7
	}
	if !slices.Equal(even, newFarm(t, Plan{Hash: true}, servers...).placed(hashClients)) {
		t.Error("equal weights place clients otherwise than none")
	}
	servers[0].Weight = 0
	if !slices.Equal(even, newFarm(t, Plan{Hash: true}, servers...).placed(hashClients)) {
		t.Error("weights that are not all set are heeded")
	}
}

func TestWeighEndsOfTheRange(t *testing.T) {
	for _, score := range []float64{0, 1, 1 << 63, math.MaxUint64} {
		if w := weigh(score, 1); !(w > 0) || math.IsInf(w, 0) {
			t.Errorf("weigh(%g, 1) = %g, want positive and finite", score, w)
		}
	}
	if weigh(1<<63, 1) >= weigh(1<<63+1<<20, 1) || weigh(1<<63, 1) >= weigh(1<<63, 2) {
		t.Error("a higher score or weight does not win")
	}
}

// The whole of a tracked prefix hashes alike, and -r, which forgets clients, leaves them where the hash puts them.
func TestHashOfAPrefix(t *testing.T) {
	f := newFarm(t, Plan{Hash: true, RoundRobin: true, Prefix: affinity.Prefix{V4: 24, V6: 64}}, make([]Server, 16)...)
	for _, net := range []string{"192.0.2.", "2001:db8::"} {
		got := map[string]bool{}
		for i := range 50 {
			got[f.visit(client(fmt.Sprint(net, i+1)))] = true
		}
		if len(got) != 1 {
			t.Errorf("clients of %s go to %d servers, want 1", net, len(got))
		}
	}
}
