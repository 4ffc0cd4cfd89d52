package affinity

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// hammer runs work in parallel, each with its own random source, and waits.
func hammer(goroutines int, work func(id int, rng *rand.Rand)) {
	const seed = 4711
	var wg sync.WaitGroup
	for id := range goroutines {
		wg.Go(func() { work(id, rand.New(rand.NewPCG(seed, uint64(id)))) })
	}
	wg.Wait()
}

func TestManyGoroutines(t *testing.T) {
	const goroutines, steps = 8, 4000
	for _, sh := range []struct {
		slots   int
		layout  layout
		clients int
	}{
		{1, layoutFor(1), 5},
		{2, tight(2), 9}, // stripes that fill up, since inserters are ahead of evictions
		{63, layoutFor(63), 90},
		{1000, layoutFor(1000), 1200},
		{2000, layout{stripes: 64, share: 30}, 3000},
		{100, layout{stripes: 8, share: 400}, 100_000}, // nearly every visit evicts
	} {
		table := heapTable(sh.slots, 3*time.Second, sh.layout)
		hammer(goroutines, func(id int, rng *rand.Rand) {
			now := start
			for range steps {
				k := client(rng.IntN(sh.clients))
				switch rng.IntN(12) {
				case 0:
					table.Claim(k, now, uint32(id+1))
				case 1:
					table.Move(k, uint32(id+1), 3)
				case 2:
					table.Count(k, 1, 2)
				case 3:
					if e, ok := table.Peek(k, now); ok && e.Key != k {
						t.Errorf("Peek of %v finds %v", k.Addr(), e.Key.Addr())
					}
				case 4:
					table.Forget(k)
				case 5:
					table.Expire(now, 10)
				case 6:
					now += second / 100
				case 7:
					if rng.IntN(50) == 0 {
						table.Each(func(e Entry) bool { return e.Connects > 0 })
					}
				default:
					table.Visit(k, now)
				}
				if n := table.Len(); n > sh.slots+goroutines {
					t.Errorf("%d clients in a table for %d with %d inserters", n, sh.slots, goroutines)
				}
			}
		})
		if err := verify(table); err != nil {
			t.Fatalf("%+v: %v", sh, err)
		}
	}
}

func TestStripesThatEmptyWhileWaitedFor(t *testing.T) {
	// Whoever chose a stripe for its tail may find it empty, or with another tail, once it holds the stripe.
	for range 20 {
		table := heapTable(1, time.Second, layout{stripes: 8, share: 40})
		hammer(8, func(_ int, rng *rand.Rand) {
			for range 500 {
				table.Visit(client(rng.IntN(30)), start)
				table.Visit(client(rng.IntN(30)), start)
				table.Expire(start+9*second, 2)
				table.Forget(client(rng.IntN(30)))
			}
		})
		if err := verify(table); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullTableIsNotOverfull(t *testing.T) {
	table := heapTable(10, 0, layoutFor(10))
	for n := range 10 {
		table.Visit(client(n), start)
	}
	// As for an inserter whose excess was removed by others between its two questions.
	if table.makeRoom(seconds(start)); table.Len() != 10 {
		t.Errorf("room made in a table that is just full: %d clients", table.Len())
	}
	if table.takeExcess() {
		t.Error("one client of ten is in excess")
	}
}

func TestExactAfterParallelVisits(t *testing.T) {
	const slots = 1000
	table := heapTable(slots, 0, layoutFor(slots))
	hammer(8, func(_ int, rng *rand.Rand) {
		for range 3000 {
			table.Visit(client(rng.IntN(slots*3)), start)
		}
	})
	if err := verify(table); err != nil {
		t.Fatal(err)
	}
	if table.Len() != slots {
		t.Fatalf("%d clients, want %d", table.Len(), slots)
	}
	for n := range 100 {
		victim, stamp := Key{}, uint64(noTail)
		for i := range table.bank.Load().stripes {
			if s := &table.bank.Load().stripes[i]; s.used > 0 && s.slots[s.oldest].stamp() < stamp {
				victim, stamp = s.slots[s.oldest].key, s.slots[s.oldest].stamp()
			}
		}
		table.Visit(client(100_000+n), start)
		if _, ok := table.Peek(victim, start); ok || table.Len() != slots {
			t.Fatalf("newcomer %d: the oldest client still there: %t; %d clients", n, ok, table.Len())
		}
	}
}

func TestRacingClaimsAgree(t *testing.T) {
	const clients, goroutines = 500, 8
	table := heapTable(clients, 0, layoutFor(clients))
	var homes [goroutines][clients]uint32
	hammer(goroutines, func(id int, _ *rand.Rand) {
		for n := range clients {
			table.Visit(client(n), start)
			homes[id][n] = table.Claim(client(n), start, uint32(id+1))
			table.Count(client(n), 3, 5)
		}
	})
	for n := range clients {
		e, _ := table.Peek(client(n), start)
		want := Entry{Key: client(n), Home: homes[0][n], LastSeen: start / second * second, Connects: goroutines, Up: 3 * goroutines, Down: 5 * goroutines}
		if e != want {
			t.Fatalf("entry %+v, want %+v", e, want)
		}
		for id := range goroutines {
			if homes[id][n] != e.Home {
				t.Fatalf("client %d: goroutine %d was told %d, its home is %d", n, id, homes[id][n], e.Home)
			}
		}
	}
}

func TestMoveHasOneWinner(t *testing.T) {
	const clients, goroutines = 500, 8
	table := heapTable(clients, 0, layoutFor(clients))
	for n := range clients {
		table.Visit(client(n), start)
	}
	var won [goroutines]int
	hammer(goroutines, func(id int, _ *rand.Rand) {
		for n := range clients {
			if table.Move(client(n), 0, uint32(id+1)) {
				won[id]++
			}
		}
	})
	total := 0
	for _, n := range won {
		total += n
	}
	if total != clients {
		t.Errorf("%d moves of %d clients succeeded", total, clients)
	}
}

func TestCloseUnderLoad(t *testing.T) {
	table := mappedTable(t, 5000, time.Second)
	hammer(4, func(id int, rng *rand.Rand) {
		for n := range 5000 {
			table.Visit(client(rng.IntN(10_000)), start)
			table.Expire(start+5*second, 3)
			if id == 0 && n == 2500 {
				if err := table.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if table.Len() != 0 {
		t.Errorf("%d clients in a closed table", table.Len())
	}
}
