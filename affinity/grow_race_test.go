package affinity

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNothingIsLostWhileGrowingUnderLoad(t *testing.T) {
	const clients, goroutines, rounds = 400, 6, 24
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
				if id == 0 && round%4 == 1 {
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
