package affinity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// growHeap is Grow with memory that the race detector watches.
func growHeap(table *Table, slots int, l layout) {
	table.resize.Lock()
	defer table.resize.Unlock()
	table.moveTo(heapBank(slots, l))
}

// growSlowly does what moveTo does, few clients at a time, and calls between at every step; the last time, the table has grown.
func growSlowly(table *Table, to *bank, few int, between func()) {
	from := table.bank.Load()
	from.next.Store(to)
	for i := range from.stripes {
		for table.moveSome(&from.stripes[i], few) {
			between()
		}
		between()
	}
	table.bank.Store(to)
	between()
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
				// Not with Each, which would end the move of a stripe.
				for who := range clients {
					if err := (step{op: byte(who>>8)<<4 | 10, who: byte(who)}).run(table, m, &now); err != nil {
						t.Fatalf("seed %d, for %d: %v", seed, m.capacity, err)
					}
				}
				if err := verify(table); err != nil {
					t.Fatalf("seed %d, for %d: %v", seed, m.capacity, err)
				}
			}
			run(6 * sizes[0].slots)
			for _, size := range sizes[1:] {
				few := 1 + m.capacity/len(table.bank.Load().stripes)/3
				growSlowly(table, heapBank(size.slots, size.layout), few, func() {
					if table.Cap() == size.slots {
						m.capacity = size.slots
						run(8 * m.capacity)
						return
					}
					run(20 + few)
					if rng.IntN(20) == 0 {
						if err := sameContent(table, m); err != nil {
							t.Fatalf("seed %d, growing from %d: %v", seed, m.capacity, err)
						}
					}
				})
				if err := sameContent(table, m); err != nil {
					t.Fatalf("seed %d, for %d: %v", seed, m.capacity, err)
				}
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
	from, to, steps := table.bank.Load(), heapBank(50_000, layoutFor(50_000)), 0
	from.next.Store(to)
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(from.stripes))
	seen := map[Key]int{}
	for e := range table.Each {
		seen[e.Key]++
		if len(seen)%20 == 0 {
			table.moveSome(&from.stripes[order[steps%len(order)]], 30)
			steps++
		}
	}
	for n := range clients {
		if seen[client(n)] != 1 {
			t.Errorf("client %d seen %d times", n, seen[client(n)])
		}
	}
	if len(from.stripes) < 8 || steps < 50 || len(to.stripes) == len(from.stripes) {
		t.Errorf("%d steps from %d stripes to %d: this tests too little", steps, len(from.stripes), len(to.stripes))
	}
	if err := verify(table); err != nil {
		t.Error(err)
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

func TestVisitWhileGrowingIntoFullStripe(t *testing.T) {
	table := heapTable(20, 0, layout{stripes: 1, share: 30})
	fill(table, 20)
	growSlowly(table, heapBank(21, layout{stripes: 1, share: 6}), 5, func() {
		if err := verify(table); err != nil {
			t.Fatal(err)
		}
		table.Visit(client(0), start) // among those still to move when the new stripe's five are full
	})
	// 15 to 19 have moved; 0 took the place of 15 and left no other.
	for n := range 20 {
		if remembers(table, n) != (n == 0 || n > 15) {
			t.Errorf("client %d remembered: %t", n, remembers(table, n))
		}
	}
	if err := verify(table); err != nil || table.Len() != 5 || table.Evictions() != 15 {
		t.Errorf("%d clients, %d evictions, want 5, 15; %v", table.Len(), table.Evictions(), err)
	}
}
