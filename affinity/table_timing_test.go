package affinity

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// The rivals do one thing: count the visit of a client drawn at random from those they hold. The tables beside ours do less: they keep no order, so they could not evict.

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
	{"table", func(tb testing.TB, clients int) rival { return settledTable(tb, clients) }},
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

// inParallel has so many goroutines at it, each with its own sequence. ns/op is wall time by all operations; with as many CPUs to itself, n goroutines would take
// one n-th of the processor time, cpu-ns/op, which is what one operation takes whoever is at it, and which a machine shared with others distorts less.
func inParallel(b *testing.B, goroutines int, op func(d *draw)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(goroutines, runtime.GOMAXPROCS(0))))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			d := draw((g + 1) << 32)
			for range (b.N + g) / goroutines {
				op(&d)
			}
		})
	}
	all.Wait()
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

// size is how many clients a benchmark's table holds and is made for.
type size struct {
	name    string
	clients int
}

// sizes are those that fit everywhere, and with PEN_FULL=1 also the largest: a table of 800 MB, and maps of up to 2 GB.
func sizes() []size {
	all := []size{{"1k", 1_000}, {"1M", 1_000_000}}
	if os.Getenv("PEN_FULL") != "" {
		all = append(all, size{"10M", 10_000_000})
	}
	return all
}

// BenchmarkVisit is what a connection asks when it arrives: Visit/10M/table/2 is 10 million known clients and 2 goroutines.
func BenchmarkVisit(b *testing.B) {
	for _, size := range sizes() {
		for _, kind := range rivals {
			b.Run(size.name+"/"+kind.name, func(b *testing.B) {
				r := kind.make(b, size.clients)
				fill(r, size.clients)
				runtime.GC() // not the filling's garbage, please
				for _, goroutines := range []int{1, 2, 4, 8} {
					b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
						inParallel(b, goroutines, func(d *draw) { r.Visit(client(d.below(size.clients)), start) })
					})
				}
			})
		}
	}
}

// settledTable is a table as it is 20 s after it was filled: in huge pages, if it is large and the system has them.
func settledTable(tb testing.TB, clients int) *Table {
	table := mappedTable(tb, clients, 0)
	b := table.bank.Load()
	if b.hugeAt > 0 {
		adviseHuge(b.arena) // before anything is resident: the kernel begins with huge pages
		b.huge.Store(true)
	}
	return table
}

// smallPagesTable never has huge pages.
func smallPagesTable(tb testing.TB, clients int) *Table {
	table := mappedTable(tb, clients, 0)
	table.bank.Load().huge.Store(true) // as if they had been asked for
	return table
}

// BenchmarkTable runs what the rivals cannot do, with all CPUs, in huge and in small pages; and first the floor: what the machine takes to read one random slot,
// when nothing else can be done meanwhile.
func BenchmarkTable(b *testing.B) {
	for _, size := range sizes() {
		b.Run(size.name+"/huge", func(b *testing.B) { benchmarkTable(b, settledTable(b, size.clients), size.clients) })
		b.Run(size.name+"/small", func(b *testing.B) { benchmarkTable(b, smallPagesTable(b, size.clients), size.clients) })
	}
}

func benchmarkTable(b *testing.B, table *Table, clients int) {
	fill(table, clients)
	cpus := runtime.GOMAXPROCS(0)
	all := slotsOf(table.bank.Load().arena)
	var next atomic.Int64
	next.Store(int64(clients))
	for _, c := range []struct {
		name string
		op   func(d *draw)
	}{
		{"floor", func(d *draw) { *d += draw(all[d.below(len(all))].seen) }},
		{"peek", func(d *draw) { table.Peek(client(d.below(clients)), start) }},
		{"peek-unknown", func(d *draw) { table.Peek(client(clients+d.below(clients)), start) }},
		{"count", func(d *draw) { table.Count(client(d.below(clients)), 1, 1) }},
		{"visit", func(d *draw) { table.Visit(client(d.below(clients)), start) }},
		{"visit-evicting", func(*draw) { table.Visit(client(int(next.Add(1))), start) }},
	} {
		b.Run(c.name, func(b *testing.B) { inParallel(b, cpus, c.op) })
	}
}

// BenchmarkEach reports how long one stripe is held while it is copied.
func BenchmarkEach(b *testing.B) {
	for _, size := range sizes() {
		b.Run(size.name, func(b *testing.B) { benchmarkEach(b, size.clients) })
	}
}

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
func BenchmarkGrow(b *testing.B) {
	for _, size := range sizes() {
		b.Run(size.name, func(b *testing.B) { benchmarkGrow(b, size.clients) })
	}
}

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
