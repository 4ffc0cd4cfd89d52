package affinity

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func live(table *Table, n int) int {
	e, _ := table.Peek(client(n), start)
	return int(e.Live)
}

func TestLiveConnectionsAreCountedInAndOut(t *testing.T) {
	table := heapTable(16, 0, layoutFor(16))
	l := Limits{Conns: 3}
	for n := range 5 {
		if _, v := table.Admit(client(1), start, l); (v == Admitted) != (n < 3) {
			t.Errorf("connection %d: verdict %d", n, v)
		}
	}
	if _, v := table.Admit(client(2), start, l); v != Admitted {
		t.Errorf("another client: verdict %d", v)
	}
	table.Leave(client(1), 10, 20)
	table.Count(client(1), 1, 2)
	if _, v := table.Admit(client(1), start, l); v != Admitted {
		t.Errorf("after one has left: verdict %d", v)
	}
	want := Entry{Key: client(1), LastSeen: start / second * second, Connects: 4, Up: 11, Down: 22, Live: 3}
	if e, _ := table.Peek(client(1), start); e != want {
		t.Errorf("entry %+v, want %+v", e, want)
	}
}

func TestLiveStopsAtItsEdges(t *testing.T) {
	table := heapTable(16, 0, layoutFor(16))
	table.Visit(client(1), start)
	table.Leave(client(1), 0, 0) // of a client that was forgotten and came again
	if n := live(table, 1); n != 0 {
		t.Errorf("%d live after one too many has left", n)
	}
	for range math.MaxUint16 + 5 {
		table.Admit(client(1), start, Limits{})
	}
	if n := live(table, 1); n != math.MaxUint16 {
		t.Errorf("%d live, want the largest number", n)
	}
	if _, v := table.Admit(client(1), start, Limits{Conns: MaxConns}); v != TooMany {
		t.Errorf("verdict %d at the largest limit", v)
	}
	if err := verify(table); err != nil { // the stamp beside it is what it was
		t.Error(err)
	}
	table.Leave(client(2), 5, 5)
	if table.Len() != 1 {
		t.Error("who was unknown and left is known")
	}
}

func TestClosedTableAdmits(t *testing.T) {
	table := mappedTable(t, 16, 0)
	table.Admit(client(1), start, Limits{Conns: 1})
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if home, v := table.Admit(client(1), start, Limits{Conns: 1}); home != 0 || v != Admitted || table.Len() != 0 {
		t.Errorf("home %d, verdict %d, %d clients", home, v, table.Len())
	}
	table.Leave(client(1), 1, 1)
	table.Adopt(Entry{Key: client(1), LastSeen: start})
}

func TestAdoptedClientIsAsItWas(t *testing.T) {
	from, to := heapTable(16, 0, layoutFor(16)), heapTable(16, 0, layoutFor(16))
	l := Limits{Conns: 9, Rate: rate(t, "1/m:9")}
	for range 4 {
		from.Admit(client(1), start, l)
	}
	from.Claim(client(1), start, 4096)
	e, _ := from.Peek(client(1), start)
	for range 2 { // also one that is known already
		to.Adopt(e)
		got, _ := to.Peek(client(1), start)
		if got.Home != e.Home || got.Live != e.Live || got.Debt != e.Debt || got.LastSeen != e.LastSeen {
			t.Errorf("adopted %+v, was %+v", got, e)
		}
	}
	if err := verify(to); err != nil {
		t.Error(err)
	}
}

// What -T says goes for a client with live connections too, but for their number, or it could have its limit twice.
func TestExpiryLeavesTheLiveCount(t *testing.T) {
	table := heapTable(16, 10*time.Second, layoutFor(16))
	l := Limits{Conns: 2, Rate: rate(t, "1/m:5")}
	table.Admit(client(1), start, l)
	table.Admit(client(1), start, l)
	table.Claim(client(1), start, 7)
	table.Count(client(1), 5, 5)
	table.Visit(client(2), start)
	late := start + 11*second
	want := Entry{Key: client(1), LastSeen: late / second * second, Live: 2}
	if e, ok := table.Peek(client(1), late); !ok || e != want {
		t.Errorf("before Expire comes by: entry %+v, %t; want %+v", e, ok, want)
	}
	if _, ok := table.Peek(client(2), late); ok {
		t.Error("an expired client without live connections is known")
	}
	if n := table.Expire(late, 10); n != 2 || table.Len() != 1 {
		t.Fatalf("%d forgotten, %d left", n, table.Len())
	}
	if e, ok := table.Peek(client(1), late); !ok || e != want {
		t.Errorf("entry %+v, %t; want %+v", e, ok, want)
	}
	if _, v := table.Admit(client(1), late, l); v != TooMany {
		t.Errorf("verdict %d: its connections are not counted any more", v)
	}
	table.Leave(client(1), 0, 0)
	table.Leave(client(1), 0, 0)
	if n := table.Expire(late+11*second, 10); n != 1 || table.Len() != 0 {
		t.Errorf("%d forgotten, %d left", n, table.Len())
	}
	// And when it comes back before Expire has come by.
	table.Admit(client(3), start, l)
	table.Admit(client(3), start, l)
	table.Claim(client(3), start, 7)
	if home, v := table.Admit(client(3), late, l); home != 0 || v != TooMany {
		t.Errorf("home %d, verdict %d; want 0, %d", home, v, TooMany)
	}
	if err := verify(table); err != nil {
		t.Error(err)
	}
}

// Who goes when there is no room: live are the clients with live connections, the oldest first, of those who came.
func TestWhoGoesWhenThereIsNoRoom(t *testing.T) {
	for _, c := range []struct {
		name        string
		slots       int
		live        []int
		newcomers   int
		gone, stays []int
	}{
		{"nobody is live", 4, nil, 2, []int{0, 1}, []int{2, 3, 4, 5}},
		{"the oldest is", 4, []int{0}, 2, []int{1, 2}, []int{0, 3, 4, 5}},
		{"the two oldest are", 4, []int{0, 1}, 2, []int{2, 3}, []int{0, 1, 4, 5}},
		{"and for long", 4, []int{0, 1}, 50, []int{2, 3, 4, 50, 51}, []int{0, 1, 52, 53}},
		{"all are: somebody goes, but not the newcomer", 4, []int{0, 1, 2, 3}, 1, nil, []int{4}},
		{"and again", 4, []int{0, 1, 2, 3}, 3, nil, []int{6}},
		{"a table of one", 1, []int{0}, 1, []int{0}, []int{1}},
		{"a table of two", 2, []int{0, 1}, 1, nil, []int{2}},
		{"eight are passed over", 20, []int{0, 1, 2, 3, 4, 5, 6, 7}, 1, []int{8}, []int{0, 1, 2, 3, 4, 5, 6, 7, 9}},
	} {
		table := heapTable(c.slots, 0, layoutFor(c.slots))
		fill(table, c.slots)
		for _, n := range c.live {
			enter(table, n)
		}
		for n := range c.newcomers {
			table.Visit(client(c.slots+n), start)
			if err := verify(table); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		for _, n := range c.gone {
			if remembers(table, n) {
				t.Errorf("%s: client %d is still there", c.name, n)
			}
		}
		for _, n := range c.stays {
			if !remembers(table, n) {
				t.Errorf("%s: client %d is gone", c.name, n)
			}
		}
		if table.Len() != c.slots || table.Evictions() != uint64(c.newcomers) {
			t.Errorf("%s: %d clients, %d evictions", c.name, table.Len(), table.Evictions())
		}
	}
}

// enter gives a client a live connection without a visit, so that the order is that of fill.
func enter(table *Table, n int) {
	k := client(n)
	s, tag := table.locate(&k)
	i, _ := s.find(&k, tag)
	s.slots[i].enter()
}

// A bound on work: one insertion passes over eight, whoever is behind them.
func TestOneInsertionPassesOverEight(t *testing.T) {
	table := heapTable(64, 0, layout{stripes: 1, share: 4096}) // so thin that the hand meets next to nobody
	fill(table, 64)
	for n := range 64 {
		enter(table, n)
	}
	clock := table.clock.Load()
	table.Visit(client(64), start)
	if passed := table.clock.Load() - clock - 1; passed != roundsMost || remembers(table, 8) || !remembers(table, 7) || !remembers(table, 9) {
		t.Errorf("%d passed over; client 7 remembered: %t, 8: %t, 9: %t", passed, remembers(table, 7), remembers(table, 8), remembers(table, 9))
	}
}

// A flood of new addresses flushes everybody but the clients with live connections, who may have come one after the other, before the table was full or long after.
func TestFloodSparesThoseWithLiveConnections(t *testing.T) {
	const slots, lasting = 10_000, 1_000
	for full, flood := range map[bool]int{false: 1_000_000, true: 100_000} {
		table := mappedTable(t, slots, 0)
		if full {
			for n := range 2 * slots {
				table.Visit(client(2*flood+n), start)
			}
		}
		for n := range lasting {
			table.Admit(client(n), start, Limits{})
		}
		for n := range flood {
			table.Admit(client(lasting+n), start, Limits{})
			table.Leave(client(lasting+n), 0, 0)
		}
		for n := range lasting {
			if live(table, n) != 1 {
				t.Fatalf("full %t: client %d with a live connection is gone", full, n)
			}
		}
		if table.Len() != slots {
			t.Errorf("full %t: %d clients", full, table.Len())
		}
		if err := verify(table); err != nil {
			t.Error(err)
		}
	}
}

// The others keep their order, to the letter, whoever is live among them.
func TestOrderOfTheOthersIsExact(t *testing.T) {
	const slots = 2000
	table := heapTable(slots, 0, layoutFor(slots))
	rng := rand.New(rand.NewPCG(4, 2))
	var order []int
	for n := range slots {
		if rng.IntN(3) == 0 {
			table.Admit(client(n), start, Limits{})
			continue
		}
		table.Visit(client(n), start)
		order = append(order, n)
	}
	for n := range 5 * slots {
		victim := order[0]
		if !remembers(table, victim) {
			t.Fatalf("client %d gone after %d newcomers, before its turn", victim, n)
		}
		table.Visit(client(slots+n), start)
		order = append(order[1:], slots+n)
		if remembers(table, victim) {
			t.Fatalf("client %d still there after %d newcomers", victim, n+1)
		}
	}
}

func TestGrowingTableSparesThoseWithLiveConnections(t *testing.T) {
	table := heapTable(20, 0, layoutFor(20))
	for n := range 20 {
		if n < 5 {
			table.Admit(client(n), start, Limits{})
		} else {
			table.Visit(client(n), start)
		}
	}
	next := 20
	growSlowly(table, heapBank(21, layoutFor(21)), 2, func() {
		table.Visit(client(next), start)
		next++
		if err := verify(table); err != nil {
			t.Fatal(err)
		}
	})
	for n := range 5 {
		if live(table, n) != 1 {
			t.Errorf("client %d with a live connection is gone", n)
		}
	}
	if next < 25 {
		t.Errorf("%d came: this tests too little", next-20)
	}
}

func TestManyAdmitAndLeave(t *testing.T) {
	const goroutines, steps = 8, 5000
	for _, slots := range []int{1, 2, 63, 1000} {
		table := heapTable(slots, 3*time.Second, layoutFor(slots))
		hammer(goroutines, func(_ int, rng *rand.Rand) {
			now := start
			l := Limits{Conns: 3, Rate: Rate{100, 1, 100}}
			for range steps {
				k := client(rng.IntN(2 * slots))
				now += second / 1000
				if _, v := table.Admit(k, now, l); v != Admitted {
					continue
				}
				if e, ok := table.Peek(k, now); ok && int(e.Live) > l.Conns {
					t.Errorf("%d live connections", e.Live)
				}
				table.Expire(now, 2)
				table.Leave(k, 1, 1)
			}
		})
		if err := verify(table); err != nil {
			t.Fatal(err)
		}
		for e := range table.Each {
			if e.Live != 0 {
				t.Errorf("%d slots: %d live when all have left", slots, e.Live)
			}
		}
	}
}

func TestAdmitDoesNotAllocate(t *testing.T) {
	table := heapTable(100, 0, layoutFor(100))
	l, n := Limits{Conns: 5, Rate: rate(t, "20/s")}, 0
	if allocated := testing.AllocsPerRun(1000, func() {
		n++
		table.Admit(client(n), start, l)
		table.Admit(client(n), start, l)
		table.Leave(client(n), 1, 1)
	}); allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
