package affinity

import (
	"math"
	"net/netip"
	"testing"
	"time"
)

func TestHomeIsClaimedOnceAndMovedKnowingly(t *testing.T) {
	table := heapTable(16, 0, layoutFor(16))
	k := client(1)
	if home := table.Claim(k, start, 5); home != 5 || table.Len() != 0 {
		t.Errorf("a claim for an unknown client: home %d, %d clients; want 5, 0", home, table.Len())
	}
	if table.Move(k, 0, 5) || table.Forget(k) {
		t.Error("an unknown client moved, or was forgotten")
	}
	if home := table.Visit(k, start); home != 0 {
		t.Errorf("a new client has home %d", home)
	}
	if home := table.Claim(k, start, 0); home != 0 {
		t.Errorf("a claim for no server gives home %d", home)
	}
	if home := table.Claim(k, start, 5); home != 5 {
		t.Errorf("first claim gives home %d, want 5", home)
	}
	if home := table.Claim(k, start, 6); home != 5 {
		t.Errorf("second claim gives home %d, want 5", home)
	}
	if table.Move(k, 6, 7) || table.Visit(k, start) != 5 {
		t.Error("moved from a server that is not its home")
	}
	if !table.Move(k, 5, 7) || table.Visit(k, start) != 7 {
		t.Error("not moved from 5 to 7")
	}
}

func TestEntryTellsAll(t *testing.T) {
	table := heapTable(16, 0, layoutFor(16))
	k := client(1)
	table.Count(k, 9, 9)
	for i := range 3 {
		table.Visit(k, start+int64(i)*second)
	}
	table.Claim(k, start, 5)
	table.Count(k, 10, 20)
	table.Count(k, 1, 2)
	want := Entry{Key: k, Home: 5, LastSeen: (start/second + 2) * second, Connects: 3, Up: 11, Down: 22}
	if e, ok := table.Peek(k, start); !ok || e != want {
		t.Errorf("entry %+v, want %+v", e, want)
	}
	table.Forget(k)
	if _, ok := table.Peek(k, start); ok || table.Len() != 0 {
		t.Error("a forgotten client is there")
	}
}

func TestCountersAtTheirEdge(t *testing.T) {
	table := heapTable(16, 0, layoutFor(16))
	k := client(1)
	table.Visit(k, start)
	s, tag := table.locate(&k)
	i, _ := s.find(&k, tag)
	s.slots[i].connects = math.MaxUint32 - 2
	s.slots[i].up, s.slots[i].down = math.MaxUint64-1, math.MaxUint64
	for want := uint32(math.MaxUint32 - 1); ; {
		table.Visit(k, start)
		e, _ := table.Peek(k, start)
		if e.Connects != want {
			t.Fatalf("%d connects, want %d", e.Connects, want)
		}
		if want == math.MaxUint32 {
			break
		}
		want++
	}
	table.Visit(k, start)
	table.Count(k, 5, 1)
	e, _ := table.Peek(k, start)
	if e.Connects != math.MaxUint32 || e.Up != 3 || e.Down != 0 {
		t.Errorf("past the edge: %d connects, %d up, %d down; want the largest, 3, 0", e.Connects, e.Up, e.Down)
	}
	if err := verify(table); err != nil {
		t.Error(err)
	}
}

func TestEachHoldsNoLock(t *testing.T) {
	table := heapTable(1000, 0, layoutFor(1000))
	for n := range 1000 {
		table.Visit(client(n), start)
	}
	seen := map[Key]bool{}
	for e := range table.Each {
		seen[e.Key] = true
		// Every stripe is asked, that of e among them.
		for n := range 20 {
			table.Visit(client(n), start)
		}
		table.Forget(e.Key)
	}
	if len(seen) < 1000-20 {
		t.Errorf("%d clients seen", len(seen))
	}
	if err := verify(table); err != nil {
		t.Error(err)
	}
	table.Visit(client(1), start)
	table.Visit(client(2), start)
	calls := 0
	table.Each(func(Entry) bool { calls++; return false })
	if calls != 1 {
		t.Errorf("%d calls after yield said no, want 1", calls)
	}
}

func TestClosedTableIsEmpty(t *testing.T) {
	table, err := New(100, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		table.Visit(client(n), start)
	}
	for range 2 {
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
	}
	k := client(1)
	table.Count(k, 1, 1)
	if _, ok := table.Peek(k, start); ok || table.Visit(k, start) != 0 || table.Move(k, 0, 1) || table.Forget(k) {
		t.Error("a closed table knows a client")
	}
	if table.Claim(k, start, 3) != 3 || table.Expire(start+60*second, 9) != 0 || table.Len() != 0 || table.Cap() != 100 {
		t.Error("a closed table is not an empty one")
	}
	table.Each(func(Entry) bool { t.Error("a closed table yields an entry"); return false })
}

func TestSecretsDiffer(t *testing.T) {
	a, b := mappedTable(t, 10, 0), mappedTable(t, 10, 0)
	same := 0
	for n := range 100 {
		k := client(n)
		_, one := a.locate(&k)
		if _, two := b.locate(&k); one == two {
			same++
		}
	}
	if a.secret == b.secret || same > 1 {
		t.Errorf("two tables hash %d of 100 clients alike", same)
	}
}

func TestEveryByteOfSecretAndKeyCounts(t *testing.T) {
	table := heapTable(10, 0, layoutFor(10))
	k := client(1)
	_, plain := table.locate(&k)
	for i := range table.secret {
		table.secret[i] ^= 1
		if _, tag := table.locate(&k); tag == plain {
			t.Errorf("byte %d of the secret makes no difference", i)
		}
		table.secret[i] ^= 1
	}
	for i := range k {
		k[i] ^= 1
		if _, tag := table.locate(&k); tag == plain {
			t.Errorf("byte %d of the key makes no difference", i)
		}
		k[i] ^= 1
	}
}

func TestStripesFillEvenly(t *testing.T) {
	// Addresses that differ in one bit only, and in the network part only, must scatter as well as any.
	const stripes, clients = 64, 64 * 1000
	l := layout{stripes: stripes, share: 2000}
	for name, shift := range map[string]uint{"host": 0, "network": 16, "high": 40} {
		table := heapTable(clients, 0, l)
		for n := range clients {
			var a [16]byte
			a[0] = 0x20
			for i := range 8 {
				a[15-i] = byte(uint64(n) << shift >> (8 * i))
			}
			table.Visit(Prefix{32, 128}.Key(netip.AddrFrom16(a)), start)
		}
		for i := range table.bank.Load().stripes {
			// 1000 on average with a deviation of 32: 8 deviations are out of chance's reach.
			if n := table.bank.Load().stripes[i].used; n < 750 || n > 1250 {
				t.Errorf("%s: %d of %d clients in stripe %d", name, n, clients, i)
			}
		}
	}
}

func TestHotCallsDoNotAllocate(t *testing.T) {
	made, grown, growing := mappedTable(t, 1000, time.Hour), mappedTable(t, 10, time.Hour), heapTable(1000, time.Hour, layoutFor(1000))
	if err := grown.Grow(1000); err != nil {
		t.Fatal(err)
	}
	for name, table := range map[string]*Table{"made": made, "grown": grown, "growing": growing} {
		fill(table, 1000)
		if table == growing {
			from, to := table.bank.Load(), heapBank(2000, layoutFor(2000))
			from.next.Store(to)
			for i := range from.stripes {
				table.moveSome(&from.stripes[i], 60)
			}
		}
		testNoAllocation(t, name, table)
	}
}

// testNoAllocation wants a table of 1000 clients that holds as many.
func testNoAllocation(t *testing.T, which string, table *Table) {
	addr, mask, next := netip.MustParseAddr("2001:db8::1%eth0"), Prefix{32, 64}, 1000
	for name, call := range map[string]func(){
		"Visit known": func() { table.Visit(client(500), start) },
		"Visit new":   func() { table.Visit(client(next), start); next++ },
		"Claim":       func() { table.Claim(client(500), start, 1) },
		"Move":        func() { table.Move(client(500), 1, 2) },
		"Count":       func() { table.Count(client(500), 1, 2) },
		"Peek":        func() { table.Peek(client(500), start) },
		"Forget":      func() { table.Forget(client(999)) },
		"Expire":      func() { table.Expire(start, 100) },
		"Prefix.Key":  func() { mask.Key(addr) },
		"Key.Addr":    func() { client(1).Addr() },
	} {
		if n := testing.AllocsPerRun(200, call); n != 0 {
			t.Errorf("%s table: %s allocates %v times", which, name, n)
		}
	}
}
