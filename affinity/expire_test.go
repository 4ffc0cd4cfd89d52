package affinity

import (
	"testing"
	"time"
)

func TestExpiredEntryNeverMatches(t *testing.T) {
	// PEN.md B5: an expired entry whose slot had not been reused still matched and kept its server.
	table := heapTable(16, 10*time.Second, layoutFor(16))
	k := client(1)
	table.Visit(k, start)
	table.Claim(k, start, 7)
	table.Count(k, 100, 200)

	at := start + 10*second // the age equals the ttl: not older yet
	if e, ok := table.Peek(k, at); !ok || e.Home != 7 {
		t.Fatalf("forgotten before its time: %+v, %t", e, ok)
	}
	late := start + 11*second
	if e, ok := table.Peek(k, late); ok {
		t.Errorf("Peek finds the expired entry %+v", e)
	}
	if home := table.Claim(k, late, 9); home != 9 {
		t.Errorf("Claim still meets home %d", home)
	}
	if home := table.Visit(k, late); home != 0 {
		t.Errorf("Visit still meets home %d", home)
	}
	want := Entry{Key: k, LastSeen: late / second * second, Connects: 1}
	if e, _ := table.Peek(k, late); e != want {
		t.Errorf("the client begins anew with %+v, want %+v", e, want)
	}
	if table.Len() != 1 {
		t.Errorf("%d entries of one client", table.Len())
	}
}

func TestTTLCountsFromTheLastVisit(t *testing.T) {
	table := heapTable(16, 10*time.Second, layoutFor(16))
	k := client(1)
	table.Visit(k, start)
	table.Claim(k, start, 7)
	for i := int64(1); i <= 5; i++ {
		if home := table.Visit(k, start+i*9*second); home != 7 {
			t.Fatalf("forgotten at visit %d though it came every 9 s", i)
		}
	}
	last := start + 45*second
	table.Count(k, 1, 1)
	table.Claim(k, last+8*second, 3)
	table.Peek(k, last+8*second)
	if _, ok := table.Peek(k, last+11*second); ok {
		t.Error("something else than a visit has put off the expiry")
	}
}

func TestExpiredInSeconds(t *testing.T) {
	for _, c := range []struct {
		seen, now uint32
		ttl       int64
		want      bool
	}{
		{100, 100, 1, false}, {100, 101, 1, false}, {100, 102, 1, true},
		{100, 99, 1, false}, {100, 0, 1, false},
		{100, 4_000_000_000, 0, false}, {0, 4_294_967_295, 4_294_967_295, false}, {0, 4_294_967_295, 4_294_967_294, true},
		{100, 4_000_000_000, 1 << 40, false},
	} {
		if got := expired(c.seen, c.now, c.ttl); got != c.want {
			t.Errorf("seen %d, now %d, ttl %d: %t", c.seen, c.now, c.ttl, got)
		}
	}
	for now, want := range map[int64]uint32{-1: 0, 0: 0, second - 1: 0, second: 1, start: 1_700_000_000, 1<<63 - 1: 1<<32 - 1} {
		if got := seconds(now); got != want {
			t.Errorf("seconds(%d) = %d, want %d", now, got, want)
		}
	}
	for ttl, want := range map[time.Duration]int64{-time.Hour: 0, 0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, time.Hour: 3600, 1<<63 - 1: 9223372037} {
		if got := wholeSeconds(ttl); got != want {
			t.Errorf("wholeSeconds(%d) = %d, want %d", ttl, got, want)
		}
	}
}

func TestExpireKeepsItsBudgetAndItsOrder(t *testing.T) {
	const slots = 1000
	table := heapTable(slots, 10*time.Second, layoutFor(slots))
	for n := range slots {
		table.Visit(client(n), start+int64(n)*second)
	}
	// At this moment clients 0…599 are older than 10 s.
	now := start + (599+11)*second
	for round := 1; round <= 6; round++ {
		if n := table.Expire(now, 100); n != 100 {
			t.Fatalf("round %d removes %d, want 100", round, n)
		}
		for n := range slots {
			if k := client(n); table.Move(k, 0, 0) != (n >= 100*round) {
				t.Fatalf("round %d: client %d there: %t", round, n, n < 100*round)
			}
		}
	}
	if n := table.Expire(now, 100); n != 0 {
		t.Errorf("%d removed that have not expired", n)
	}
	if err := verify(table); err != nil {
		t.Error(err)
	}
	if table.Evictions() != 0 {
		t.Errorf("expiry counted as %d evictions", table.Evictions())
	}
	if n := table.Expire(now+slots*second, 1<<30); n != 400 || table.Len() != 0 {
		t.Errorf("%d removed, %d left; want 400, 0", n, table.Len())
	}
	if n := table.Expire(now, 0) + table.Expire(now, -1) + table.Expire(now, 5); n != 0 {
		t.Errorf("%d removed from an empty table", n)
	}
}

func TestSetTTL(t *testing.T) {
	table := heapTable(16, 0, layoutFor(16))
	table.Visit(client(1), start)
	late := start + 1000*second
	if n := table.Expire(late, 10); n != 0 {
		t.Fatalf("%d removed though nothing expires", n)
	}
	table.SetTTL(999*time.Second + 1) // 1000 s
	if _, ok := table.Peek(client(1), late); !ok {
		t.Error("the ttl was not rounded up")
	}
	table.SetTTL(999 * time.Second)
	if _, ok := table.Peek(client(1), late); ok {
		t.Error("the new ttl is not in force")
	}
	if n := table.Expire(late, 10); n != 1 {
		t.Errorf("%d removed, want 1", n)
	}
}

func TestLaggingCallersOnlyDelayRemoval(t *testing.T) {
	table := heapTable(16, 10*time.Second, layoutFor(16))
	table.Visit(client(1), start+2*second)
	table.Visit(client(2), start) // by a caller that is 2 s behind
	now := start + 12*second
	if _, ok := table.Peek(client(2), now); ok {
		t.Error("an expired client matches")
	}
	if n := table.Expire(now, 10); n != 0 {
		t.Errorf("%d removed past a tail that has not expired", n)
	}
	if n := table.Expire(now+2*second, 10); n != 2 {
		t.Errorf("%d removed 2 s later, want 2", n)
	}
}

func TestEvictingAnExpiredClientIsNoEviction(t *testing.T) {
	table := heapTable(1, 10*time.Second, layoutFor(1))
	table.Visit(client(1), start)
	table.Visit(client(2), start+60*second)
	if table.Len() != 1 || table.Evictions() != 0 {
		t.Errorf("%d clients, %d evictions; want 1, 0", table.Len(), table.Evictions())
	}
	table.Visit(client(3), start+61*second)
	if table.Evictions() != 1 {
		t.Errorf("%d evictions, want 1", table.Evictions())
	}
}
