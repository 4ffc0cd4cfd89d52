package balance

import (
	"fmt"
	"testing"
)

// BenchmarkChoose is a whole connection of an unknown client (-r, so that every one is unknown), by algorithm and number of servers.
func BenchmarkChoose(b *testing.B) {
	for _, name := range []string{"RoundRobin", "Prio", "Weight", "LeastConn", "Hash", "PenHash"} {
		for _, n := range []int{2, 16, 256} {
			plan := plans()[name]
			plan.RoundRobin = true
			servers := make([]Server, n)
			if name == "Weight" {
				servers = weighted(n)
			}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) { benchmark(b, newFarm(b, plan, servers...)) })
		}
	}
	for _, n := range []int{2, 16, 256} {
		b.Run(fmt.Sprintf("HashWeighted/%d", n), func(b *testing.B) { benchmark(b, newFarm(b, Plan{Hash: true, RoundRobin: true}, weighted(n)...)) })
		b.Run(fmt.Sprintf("Affinity/%d", n), func(b *testing.B) { benchmark(b, newFarm(b, Plan{}, make([]Server, n)...)) })
	}
}

func benchmark(b *testing.B, f *farm) {
	for i := range 1000 {
		f.visit(numbered(i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		c := numbered(i % 1000)
		var a Attempt
		choice, ok := f.Choose(c, f.now, &a)
		if !ok {
			b.Fatal("nobody is chosen")
		}
		f.Connected(c, f.now, choice.Server, &a)
		f.Closed(choice.Server)
	}
}
