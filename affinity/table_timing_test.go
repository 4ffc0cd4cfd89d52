package affinity

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// All benchmarks do one thing per operation, with all CPUs at it: count the visit of a client drawn at random from those the table holds.
// The tables beside ours do less: they keep no order, so they could not evict.

type rival interface {
	Visit(k Key, now int64) uint32
}

// record is what the rivals keep of a client.
type record struct {
	seen     int64
	connects uint32
	home     uint32
}

type lockedMap struct {
	mu sync.Mutex
	at map[Key]record
}

func (m *lockedMap) Visit(k Key, now int64) uint32 {
	m.mu.Lock()
	r := m.at[k]
	r.seen = now
	r.connects++
	m.at[k] = r
	m.mu.Unlock()
	return r.home
}

// shardedMap is as many locked maps as a large table has stripes.
type shardedMap struct {
	scatter *Table // lends its hash
	shards  [maxStripes]struct {
		lockedMap
		_ [112]byte
	}
}

func newShardedMap(clients int) *shardedMap {
	l := layout{stripes: maxStripes, share: 2}
	m := &shardedMap{scatter: heapTable(1, 0, l)}
	for i := range m.shards {
		m.shards[i].at = make(map[Key]record, clients/maxStripes)
	}
	return m
}

func (m *shardedMap) Visit(k Key, now int64) uint32 {
	_, tag := m.scatter.locate(&k)
	return m.shards[tag/2%maxStripes].Visit(k, now)
}

type syncMap struct{ at sync.Map }

// sharedRecord is a record that sync.Map's readers may change.
type sharedRecord struct {
	seen     atomic.Int64
	connects atomic.Uint32
	home     atomic.Uint32
}

func (m *syncMap) Visit(k Key, now int64) uint32 {
	v, ok := m.at.Load(k)
	if !ok {
		v, _ = m.at.LoadOrStore(k, new(sharedRecord))
	}
	r := v.(*sharedRecord)
	r.seen.Store(now)
	r.connects.Add(1)
	return r.home.Load()
}

var rivals = []struct {
	name string
	make func(tb testing.TB, clients int) rival
}{
	{"table", func(tb testing.TB, clients int) rival { return mappedTable(tb, clients, 0) }},
	{"map+mutex", func(_ testing.TB, clients int) rival { return &lockedMap{at: make(map[Key]record, clients)} }},
	{"sync.Map", func(testing.TB, int) rival { return &syncMap{} }},
	{"sharded", func(_ testing.TB, clients int) rival { return newShardedMap(clients) }},
}

// draw is a cheap random sequence (Steele, Lea, Flood: SplitMix64, 2014).
type draw uint64

func (d *draw) below(n int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) >> 33 % uint64(n))
}

// inParallel gives each goroutine its own sequence. cpu-ns/op is processor time, which a machine shared with others distorts less than it does ns/op;
// with n CPUs to itself a benchmark would take one n-th of it.
func inParallel(b *testing.B, op func(d *draw)) {
	var seeds atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		d := draw(seeds.Add(1) << 32)
		for pb.Next() {
			op(&d)
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used so far, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func fill(r rival, clients int) {
	for n := range clients {
		r.Visit(client(n), start)
	}
}

func benchmarkVisit(b *testing.B, clients int) {
	for _, kind := range rivals {
		b.Run(kind.name, func(b *testing.B) {
			r := kind.make(b, clients)
			fill(r, clients)
			runtime.GC() // not the filling's garbage, please
			inParallel(b, func(d *draw) { r.Visit(client(d.below(clients)), start) })
		})
	}
}

func BenchmarkVisit1k(b *testing.B)         { benchmarkVisit(b, 1_000) }
func BenchmarkVisit1M(b *testing.B)         { benchmarkVisit(b, 1_000_000) }
func BenchmarkVisitTenMillion(b *testing.B) { benchmarkVisit(b, 10_000_000) }

// benchmarkTable runs what the rivals cannot do, and first the floor: what the machine takes to read one random slot, when nothing else can be done meanwhile.
func benchmarkTable(b *testing.B, clients int, huge bool) {
	table := mappedTable(b, clients, 0)
	if huge {
		adviseHuge(table.bank.Load().arena)
	}
	fill(table, clients)
	b.Run("floor", func(b *testing.B) {
		all := slotsOf(table.bank.Load().arena)
		inParallel(b, func(d *draw) { *d += draw(all[d.below(len(all))].seen) })
	})
	b.Run("peek", func(b *testing.B) {
		inParallel(b, func(d *draw) { table.Peek(client(d.below(clients)), start) })
	})
	b.Run("peek-unknown", func(b *testing.B) {
		inParallel(b, func(d *draw) { table.Peek(client(clients+d.below(clients)), start) })
	})
	b.Run("count", func(b *testing.B) {
		inParallel(b, func(d *draw) { table.Count(client(d.below(clients)), 1, 1) })
	})
	b.Run("visit-evicting", func(b *testing.B) {
		var next atomic.Int64
		next.Store(int64(clients))
		inParallel(b, func(*draw) { table.Visit(client(int(next.Add(1))), start) })
	})
}

func BenchmarkTable1k(b *testing.B)         { benchmarkTable(b, 1_000, false) }
func BenchmarkTable1M(b *testing.B)         { benchmarkTable(b, 1_000_000, false) }
func BenchmarkTableTenMillion(b *testing.B) { benchmarkTable(b, 10_000_000, false) }

// BenchmarkTableTenMillionHuge begins with the huge pages that khugepaged would make of such a table in some minutes.
func BenchmarkTableTenMillionHuge(b *testing.B) { benchmarkTable(b, 10_000_000, true) }

// BenchmarkEach reports how long one stripe is held while it is copied.
func BenchmarkEach1M(b *testing.B)         { benchmarkEach(b, 1_000_000) }
func BenchmarkEachTenMillion(b *testing.B) { benchmarkEach(b, 10_000_000) }

func benchmarkEach(b *testing.B, clients int) {
	table := mappedTable(b, clients, 0)
	fill(table, clients)
	before := cpuTime()
	for b.Loop() {
		table.Each(func(Entry) bool { return true })
	}
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N*len(table.bank.Load().stripes)), "cpu-ns/stripe")
}

// BenchmarkGrow reports what moving costs for each client, and so how long a stripe is held.
func BenchmarkGrow1M(b *testing.B)         { benchmarkGrow(b, 1_000_000) }
func BenchmarkGrowTenMillion(b *testing.B) { benchmarkGrow(b, 10_000_000) }

func benchmarkGrow(b *testing.B, clients int) {
	var used int64
	for range b.N {
		b.StopTimer()
		table := mappedTable(b, clients, 0)
		fill(table, clients)
		before := cpuTime()
		b.StartTimer()
		if err := table.Grow(2 * clients); err != nil {
			b.Fatal(err)
		}
		used += cpuTime() - before
		table.Close()
	}
	b.ReportMetric(float64(used)/float64(b.N)/float64(clients), "cpu-ns/client")
}

// BenchmarkExpireNothing is what a tick costs that finds nothing to do.
func BenchmarkExpireNothing(b *testing.B) {
	for _, slots := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(slots), func(b *testing.B) {
			table := mappedTable(b, slots, 1000*1e9)
			fill(table, slots)
			for b.Loop() {
				table.Expire(start, 100)
			}
		})
	}
}
