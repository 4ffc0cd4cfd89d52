package affinity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// growHeap is Grow with memory that the race detector watches.
func growHeap(table *Table, slots int, l layout) {
	table.resize.Lock()
	defer table.resize.Unlock()
	table.moveTo(heapBank(slots, l))
}

// growSlowly does what moveTo does, calling between at every step: after the first stripe has moved, …, after the last, and once the table has grown.
func growSlowly(table *Table, to *bank, between func(moved int)) {
	from := table.bank.Load()
	from.next.Store(to)
	for i := range from.stripes {
		table.moveStripe(&from.stripes[i], to)
		between(i + 1)
	}
	table.bank.Store(to)
	between(len(from.stripes))
}

func TestGrowToLessDoesNothing(t *testing.T) {
	table := mappedTable(t, 300, 0)
	fill(table, 300)
	b := table.bank.Load()
	for _, slots := range []int{300, 299, 1, 0, -1} {
		if err := table.Grow(slots); err != nil {
			t.Errorf("grow to %d: %v", slots, err)
		}
	}
	if table.bank.Load() != b || table.Cap() != 300 || table.Len() != 300 {
		t.Errorf("%d of %d clients, the bank replaced: %t", table.Len(), table.Cap(), table.bank.Load() != b)
	}
}

func TestGrowRefuses(t *testing.T) {
	table := mappedTable(t, 10, 0)
	fill(table, 10)
	err := table.Grow(MaxSlots + 1)
	if want := "grow the client table to 1073741825 clients: want at most 1073741824"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := verify(table); err != nil || table.Cap() != 10 || table.Len() != 10 {
		t.Errorf("the table has changed: %d of %d clients, %v", table.Len(), table.Cap(), err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if err := table.Grow(20); err == nil || !strings.HasSuffix(err.Error(), "it is closed") {
		t.Errorf("growing a closed table: %v", err)
	}
	if err := table.Grow(5); err != nil || table.Cap() != 10 {
		t.Errorf("growing a closed table to less: %v, then for %d", err, table.Cap())
	}
}

func TestModelGoesOnAcrossGrow(t *testing.T) {
	const seed = 20260802
	for _, sizes := range [][]struct {
		slots int
		layout
	}{
		{{1, layoutFor(1)}, {2, layoutFor(2)}, {63, layoutFor(63)}, {255, layoutFor(255)}, {256, layoutFor(256)}, {3000, layoutFor(3000)}},
		{{1, tight(1)}, {2, tight(2)}, {63, tight(63)}, {257, tight(257)}, {1000, layoutFor(1000)}},
		{{30, layout{1, 40}}, {31, layout{4, 40}}, {60, layout{4, 70}}, {64, layout{64, 70}}},
		{{100, layoutFor(100)}, {3000, layoutFor(3000)}},
	} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(len(sizes))))
			const ttl = 9 * time.Second
			table, m, now := heapTable(sizes[0].slots, ttl, sizes[0].layout), newModel(sizes[0].slots, ttl), start
			run := func(steps int) {
				clients := min(4096, m.capacity*5/4+3)
				for n := range steps {
					who := rng.IntN(clients)
					st := step{op: byte(who>>8)<<4 | byte(rng.IntN(16)), who: byte(who), arg: byte(rng.Uint32())}
					if st.op%16 >= 14 && rng.IntN(m.capacity/4+1) > 0 {
						continue
					}
					if err := st.run(table, m, &now); err != nil {
						t.Fatalf("seed %d, for %d, step %d %+v: %v", seed, m.capacity, n, st, err)
					}
				}
				if err := sameContent(table, m); err != nil {
					t.Fatalf("seed %d, for %d: %v", seed, m.capacity, err)
				}
			}
			run(6 * sizes[0].slots)
			for _, size := range sizes[1:] {
				stripes := len(table.bank.Load().stripes)
				growSlowly(table, heapBank(size.slots, size.layout), func(moved int) {
					if table.Cap() == size.slots {
						m.capacity = size.slots
						run(8 * m.capacity)
						return
					}
					run(200 + 4*m.capacity/stripes)
				})
			}
			if m.evictions == 0 {
				t.Error("no client was ever evicted: the steps test too little")
			}
		})
	}
}

func TestOrderIsExactAcrossGrow(t *testing.T) {
	const before, after = 700, 2500
	table := mappedTable(t, before, 0)
	fill(table, before)
	var order []int
	for n := before - 1; n >= 0; n -= 3 { // a third comes again, backwards
		table.Visit(client(n), start)
		order = append(order, n)
	}
	var rest []int
	for n := range before {
		if (before-1-n)%3 != 0 {
			rest = append(rest, n)
		}
	}
	order = append(rest, order...)
	for _, slots := range []int{before + 1, after} {
		if err := table.Grow(slots); err != nil {
			t.Fatal(err)
		}
		if err := verify(table); err != nil || table.Cap() != slots || table.Len() != before {
			t.Fatalf("%d clients of %d, want %d of %d; %v", table.Len(), table.Cap(), before, slots, err)
		}
	}
	for n := before; n < after; n++ {
		table.Visit(client(n), start)
		order = append(order, n)
	}
	if table.Len() != after || table.Evictions() != 0 {
		t.Fatalf("%d clients, %d evictions in a table grown for %d", table.Len(), table.Evictions(), after)
	}
	for i, victim := range order {
		if !remembers(table, victim) {
			t.Fatalf("client %d gone after %d newcomers, before its turn", victim, i)
		}
		table.Visit(client(after+i), start)
		if remembers(table, victim) {
			t.Fatalf("client %d still there after %d newcomers", victim, i+1)
		}
	}
}

func TestGrowKeepsEverything(t *testing.T) {
	table := mappedTable(t, 1000, 100*time.Second)
	for n := range 1100 {
		k := client(n)
		table.Visit(k, start+int64(n)*second/50)
		table.Visit(k, start+int64(n)*second/50)
		table.Claim(k, start, uint32(n+1))
		table.Count(k, uint64(n), uint64(n)<<32)
	}
	was := slices.Collect(table.Each)
	if err := table.Grow(100_000); err != nil {
		t.Fatal(err)
	}
	for _, e := range was {
		if got, ok := table.Peek(e.Key, start); !ok || got != e {
			t.Fatalf("entry %+v, %t; want %+v", got, ok, e)
		}
	}
	if len(was) != 1000 || table.Len() != 1000 || table.Evictions() != 100 {
		t.Errorf("%d entries, then %d clients, %d evictions; want 1000, 1000, 100", len(was), table.Len(), table.Evictions())
	}
	// The youngest was seen 21 s after start: the ttl is still in force, in the order of visits.
	if n := table.Expire(start+(100+12)*second, 1<<30); n == 0 || n == 1000 || table.Len() != 1000-n {
		t.Errorf("%d removed, %d left", n, table.Len())
	}
	if n := table.Expire(start+(100+30)*second, 1<<30); table.Len() != 0 {
		t.Errorf("%d removed at last, %d left", n, table.Len())
	}
	if err := verify(table); err != nil {
		t.Error(err)
	}
}

func TestEachWhileGrowingMeetsEveryClientOnce(t *testing.T) {
	const clients = 2000
	table := heapTable(clients, 0, layoutFor(clients))
	fill(table, clients)
	from, to, moved := table.bank.Load(), heapBank(50_000, layoutFor(50_000)), 0
	from.next.Store(to)
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(from.stripes))
	seen := map[Key]int{}
	for e := range table.Each {
		seen[e.Key]++
		if len(seen)%100 == 0 && moved < len(order) {
			table.moveStripe(&from.stripes[order[moved]], to)
			moved++
		}
	}
	for n := range clients {
		if seen[client(n)] != 1 {
			t.Errorf("client %d seen %d times", n, seen[client(n)])
		}
	}
	if len(from.stripes) < 8 || moved != len(order) || len(to.stripes) == len(from.stripes) {
		t.Errorf("%d of %d stripes moved to %d: this tests too little", moved, len(from.stripes), len(to.stripes))
	}
}

func TestStripeTooSmallForThoseWhoMove(t *testing.T) {
	table := heapTable(100, 0, layout{stripes: 1, share: 110})
	fill(table, 100)
	growHeap(table, 101, layout{stripes: 4, share: 6})
	if err := verify(table); err != nil {
		t.Fatal(err)
	}
	if table.Len() != 20 || table.Evictions() != 80 {
		t.Fatalf("%d clients, %d evictions; want 20, 80", table.Len(), table.Evictions())
	}
	// In each stripe the five newest are left.
	var left [4]int
	b := table.bank.Load()
	for n := 99; n >= 0; n-- {
		k := client(n)
		at := table.hash(&k) >> b.shift
		if left[at]++; remembers(table, n) != (left[at] <= 5) {
			t.Errorf("client %d, number %d in stripe %d: remembered %t", n, left[at], at, remembers(table, n))
		}
	}
}

func TestNothingIsLostWhileGrowingUnderLoad(t *testing.T) {
	const clients, goroutines, rounds = 400, 6, 60
	for name, grow := range map[string]func(*Table, int){
		"heap": func(table *Table, slots int) { growHeap(table, slots, layoutFor(slots)) },
		"mapped": func(table *Table, slots int) {
			if err := table.Grow(slots); err != nil {
				t.Error(err)
			}
		},
	} {
		table := heapTable(clients+20, time.Hour, layoutFor(clients+20))
		if name == "mapped" {
			table = mappedTable(t, clients+20, time.Hour)
		}
		var answers [goroutines][clients]uint32
		hammer(goroutines, func(id int, rng *rand.Rand) {
			for round := range rounds {
				for _, n := range rng.Perm(clients) {
					k := client(n)
					home := table.Visit(k, start)
					if was := answers[id][n]; was != 0 && home != was {
						t.Errorf("%s: client %d was at %d, is at %d", name, n, was, home)
					}
					answers[id][n] = table.Claim(k, start, uint32(id+1))
					table.Count(k, 3, 5)
					if e, ok := table.Peek(k, start); !ok || e.Key != k {
						t.Errorf("%s: client %d: %+v, %t", name, n, e, ok)
					}
					table.Move(k, answers[id][n], answers[id][n])
				}
				if n := table.Expire(start, 10); n != 0 {
					t.Errorf("%s: %d expired", name, n)
				}
				if id == 0 && round%10 == 5 {
					grow(table, table.Cap()*2)
				}
				if id == 1 && round > 0 {
					seen := 0
					for range table.Each {
						seen++
					}
					if seen != clients {
						t.Errorf("%s: Each yields %d of %d clients", name, seen, clients)
					}
				}
			}
		})
		if err := verify(table); err != nil || table.Len() != clients || table.Cap() != (clients+20)<<6 {
			t.Fatalf("%s: %d of %d clients: %v", name, table.Len(), table.Cap(), err)
		}
		for n := range clients {
			e, _ := table.Peek(client(n), start)
			want := Entry{Key: client(n), Home: answers[0][n], LastSeen: start / second * second, Connects: goroutines * rounds,
				Up: 3 * goroutines * rounds, Down: 5 * goroutines * rounds}
			if e != want {
				t.Fatalf("%s: entry %+v, want %+v", name, e, want)
			}
		}
	}
}

func TestGrowingUnderEvictionForgettingAndExpiry(t *testing.T) {
	for name, mapped := range map[string]bool{"heap": false, "mapped": true} {
		table := heapTable(8, 3*time.Second, layoutFor(8))
		if mapped {
			table = mappedTable(t, 8, 3*time.Second)
		}
		var grown sync.WaitGroup
		grown.Go(func() {
			for slots := 9; slots < 3000; slots += 1 + slots/8 {
				if !mapped {
					growHeap(table, slots, layoutFor(slots))
				} else if err := table.Grow(slots); err != nil {
					t.Error(err)
				}
			}
		})
		hammer(6, func(_ int, rng *rand.Rand) {
			now := start
			for range 6000 {
				k := client(rng.IntN(5000))
				switch rng.IntN(12) {
				case 0:
					table.Forget(k)
				case 1:
					table.Expire(now, 3)
				case 2:
					now += second / 200
				case 3:
					table.Count(k, 1, 1)
				default:
					table.Visit(k, now)
				}
				if n, limit := table.Len(), table.Cap()+6; n > limit {
					t.Errorf("%s: %d clients, want at most %d", name, n, limit)
				}
			}
		})
		grown.Wait()
		if err := verify(table); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestGrowAndCloseUnmap(t *testing.T) {
	const slots = 200_000 // 12.8 MB and more each time
	size := addressSpace(t)
	for range 10 {
		table := mappedTable(t, 1000, 0)
		fill(table, 1000)
		arenas := [][]byte{table.bank.Load().arena}
		for n := 1; n <= 3; n++ {
			if err := table.Grow(n * slots); err != nil {
				t.Fatal(err)
			}
			arenas = append(arenas, table.bank.Load().arena)
		}
		if table.Bytes() != int64(len(arenas[3])) || table.Bytes() < 3*slots*64 {
			t.Errorf("Bytes is %d", table.Bytes())
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		// The syscall package knows what it has mapped.
		for n, arena := range arenas {
			if err := syscall.Munmap(arena); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("arena %d of 4 was still mapped: %v", n, err)
			}
		}
	}
	if grown := addressSpace(t) - size; grown > 5*slots*64 {
		t.Errorf("%d bytes of address space more than before", grown)
	}
}

// addressSpace is the size of all mappings of this process, in bytes.
func addressSpace(t *testing.T) (bytes int) {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(statm), &bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes * os.Getpagesize()
}

func TestGrowAndCloseAtOnce(t *testing.T) {
	for range 50 {
		table := mappedTable(t, 500, 0)
		fill(table, 500)
		hammer(4, func(id int, rng *rand.Rand) {
			switch id {
			case 0:
				if err := table.Close(); err != nil {
					t.Error(err)
				}
			case 1:
				if err := table.Grow(2000); err != nil && !strings.HasSuffix(err.Error(), "it is closed") {
					t.Error(err)
				}
			default:
				for range 300 {
					table.Visit(client(rng.IntN(1000)), start)
				}
			}
		})
		if table.Len() != 0 {
			t.Fatalf("%d clients in a closed table", table.Len())
		}
	}
}

func TestGrowAsksForHugePagesOnceTheyPay(t *testing.T) {
	const slots = 300_000
	grown := func(clients int) *bank {
		table := mappedTable(t, 200_000, 0)
		fill(table, clients)
		if err := table.Grow(slots); err != nil {
			t.Fatal(err)
		}
		return table.bank.Load()
	}
	at := hugeAfter(layoutFor(slots).bytes())
	if few := grown(int(at) - 1); few.huge.Load() || few.hugeAt != at {
		t.Errorf("asked: %t; at %d, want %d", few.huge.Load(), few.hugeAt, at)
	}
	if !grown(int(at)).huge.Load() {
		t.Errorf("not asked with %d clients", at)
	}
}
