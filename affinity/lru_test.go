package affinity

import (
	"fmt"
	"slices"
	"testing"
)

func remembers(table *Table, n int) bool {
	_, ok := table.Peek(client(n), start)
	return ok
}

func TestOneClientTooManyForgetsExactlyTheFirst(t *testing.T) {
	for _, slots := range []int{1, 2, 3, 63, 64, 255, 256, 1000, 2048, 5000} {
		table := mappedTable(t, slots, 0)
		for n := range slots {
			table.Visit(client(n), start)
		}
		if table.Len() != slots || table.Evictions() != 0 {
			t.Fatalf("%d slots: %d clients and %d evictions after %d visits", slots, table.Len(), table.Evictions(), slots)
		}
		table.Visit(client(slots), start)
		for n := range slots + 1 {
			if remembers(table, n) != (n > 0) {
				t.Errorf("%d slots: after one client more, client %d remembered: %t", slots, n, n == 0)
			}
		}
		if table.Len() != slots || table.Evictions() != 1 {
			t.Errorf("%d slots: %d clients, %d evictions", slots, table.Len(), table.Evictions())
		}
	}
}

func TestVictimIsAlwaysTheLeastRecentlyVisited(t *testing.T) {
	const slots = 1000
	table := mappedTable(t, slots, 0)
	for n := range slots {
		table.Visit(client(n), start)
	}
	// All even clients come again, in another order; then newcomers push out the odd ones first, each group in the order of its last visits.
	var order []int
	for n := 1; n < slots; n += 2 {
		order = append(order, n)
	}
	for n := slots - 2; n >= 0; n -= 2 {
		table.Visit(client(n), start)
		order = append(order, n)
	}
	for i, victim := range order {
		if !remembers(table, victim) {
			t.Fatalf("client %d gone after %d newcomers, before its turn", victim, i)
		}
		table.Visit(client(slots+i), start)
		if remembers(table, victim) {
			t.Fatalf("client %d still there after %d newcomers", victim, i+1)
		}
	}
}

func TestOnlyVisitMakesRecent(t *testing.T) {
	for name, ask := range map[string]func(*Table){
		"Claim": func(table *Table) { table.Claim(client(0), start, 4) },
		"Move":  func(table *Table) { table.Move(client(0), 0, 4) },
		"Count": func(table *Table) { table.Count(client(0), 1, 1) },
		"Peek":  func(table *Table) { table.Peek(client(0), start) },
		"Each":  func(table *Table) { table.Each(func(Entry) bool { return true }) },
	} {
		table := heapTable(2, 0, layoutFor(2))
		table.Visit(client(0), start)
		table.Visit(client(1), start)
		ask(table)
		table.Visit(client(2), start)
		if remembers(table, 0) || !remembers(table, 1) {
			t.Errorf("%s made its client the most recently used", name)
		}
	}
}

func TestFullStripeGivesUpItsOwnTail(t *testing.T) {
	// Four stripes that hold 5 clients each at most, for a table of 100: never full, its stripes always.
	l := layout{stripes: 4, share: 6}
	table := heapTable(100, 0, l)
	var came [4][]int
	for n := range 300 {
		k := client(n)
		s, _ := table.locate(&k)
		for i := range table.bank.Load().stripes {
			if s == &table.bank.Load().stripes[i] {
				came[i] = append(came[i], n)
			}
		}
		table.Visit(k, start)
		if err := verify(table); err != nil {
			t.Fatalf("client %d: %v", n, err)
		}
	}
	for i, in := range came {
		for j, n := range in {
			if want := j >= len(in)-5; remembers(table, n) != want {
				t.Errorf("stripe %d: client %d of %d remembered: %t", i, j, len(in), !want)
			}
		}
	}
	if table.Len() != 20 || table.Evictions() != 280 {
		t.Errorf("%d clients, %d evictions; want 20, 280", table.Len(), table.Evictions())
	}
}

func TestGapsCloseAroundTheEnd(t *testing.T) {
	// Every client removed once from every arrangement of a nearly full stripe: clusters run over its last slot.
	for slots := 2; slots <= 12; slots++ {
		for victim := range slots {
			t.Run(fmt.Sprintf("%d-%d", slots, victim), func(t *testing.T) {
				table := heapTable(slots, 0, tight(slots))
				table.secret[0] = byte(slots*16 + victim)
				for n := range slots {
					table.Visit(client(n), start)
				}
				if !table.Forget(client(victim)) || table.Forget(client(victim)) {
					t.Fatal("the client was not there, or there twice")
				}
				if err := verify(table); err != nil {
					t.Fatal(err)
				}
				for n := range slots {
					if remembers(table, n) != (n != victim) {
						t.Errorf("client %d remembered: %t", n, n == victim)
					}
				}
			})
		}
	}
}

// The list lags behind the visits; who goes first does not.
func TestOrderIsExactHoweverMuchTheListIsOwed(t *testing.T) {
	const slots = 5
	for visits := range 3 * owedMost {
		for again := 1; again <= slots; again++ { // of how many clients the visits are
			table := heapTable(slots, 0, layoutFor(slots))
			fill(table, slots)
			var order []int
			for n := range slots {
				order = append(order, n)
			}
			visit := func(n int) {
				table.Visit(client(n), start)
				order = append(slices.DeleteFunc(order, func(m int) bool { return m == n }), n)
				if err := verify(table); err != nil {
					t.Fatalf("%d visits of %d clients: %v", visits, again, err)
				}
			}
			for v := range visits {
				visit(slots - 1 - v*v%again)
			}
			table.Forget(client(order[2]))
			order = slices.Delete(order, 2, 3)
			visit(slots)
			for n := slots + 1; n < 2*slots; n++ {
				visit(n)
				if order = order[1:]; len(order) != slots || table.Len() != slots {
					t.Fatalf("%d clients, want %d", table.Len(), slots)
				}
				for _, m := range order {
					if !remembers(table, m) {
						t.Fatalf("%d visits of %d clients: client %d gone before its turn", visits, again, m)
					}
				}
			}
		}
	}
}
