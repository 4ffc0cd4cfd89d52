package backend

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestClaimNamesAnIdentityOnce(t *testing.T) {
	s := NewSlots()
	a, errA := s.Claim("10.0.0.1:80")
	b, errB := s.Claim("10.0.0.2:80")
	again, errAgain := s.Claim("10.0.0.1:80")
	if errA != nil || errB != nil || errAgain != nil {
		t.Fatal(errA, errB, errAgain)
	}
	if a != 1 || b != 2 || again != a {
		t.Errorf("ids %d, %d and again %d, want 1, 2 and again 1", a, b, again)
	}
	if one, two := s.Identity(a), s.Identity(b); one != "10.0.0.1:80" || two != "10.0.0.2:80" {
		t.Errorf("they are of %s and %s", one, two)
	}
	s.Get(a).AddConnect()
	if s.Get(again).Connects() != 1 || s.Get(b).Connects() != 0 {
		t.Error("the same identity has not the same slot")
	}
}

func TestClaimGivesEverySlotAndThenSaysWhy(t *testing.T) {
	s := NewSlots()
	seen := map[*Slot]ID{}
	for i := range MaxServers {
		id, err := s.Claim(fmt.Sprintf("server %d", i))
		if err != nil {
			t.Fatal(err)
		}
		slot := s.Get(id)
		if other, ok := seen[slot]; ok {
			t.Fatalf("ids %d and %d have one slot", other, id)
		}
		seen[slot] = id
		if at := uintptr(unsafe.Pointer(slot)); at%64 != 0 {
			t.Fatalf("slot %d stands at %#x: it straddles a cache line", id, at)
		}
	}
	id, err := s.Claim("one more")
	if id != None || err == nil || !strings.Contains(err.Error(), "one more") || !strings.Contains(err.Error(), "4096") {
		t.Errorf("claim past the last slot: %d, %v", id, err)
	}
	if id, err := s.Claim("server 7"); id != 8 || err != nil {
		t.Errorf("a known identity in a full set: %d, %v; want 8", id, err)
	}
	for slot, id := range seen {
		if s.Get(id) != slot {
			t.Fatalf("slot %d has moved", id)
		}
	}
}

func TestClaimFromEverywhereAtOnce(t *testing.T) {
	const loops, servers = 8, 200
	s := NewSlots()
	var got [loops][servers]ID
	var wg sync.WaitGroup
	for l := range loops {
		wg.Go(func() {
			for i := range servers {
				id, err := s.Claim(fmt.Sprint((i + l*25) % servers))
				if err != nil {
					t.Error(err)
					return
				}
				s.Get(id).AddConnect()
				got[l][(i+l*25)%servers] = id
			}
		})
	}
	wg.Wait()
	for i := range servers {
		id := got[0][i]
		for l := range loops {
			if got[l][i] != id {
				t.Fatalf("identity %d is %d for one and %d for another", i, id, got[l][i])
			}
		}
		if n := s.Get(id).Connects(); n != loops {
			t.Fatalf("slot %d counted %d, want %d", id, n, loops)
		}
	}
}

func TestMemoryIsTouchedOnlyAsUsed(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := NewSlots()
	id, err := s.Claim("one")
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<10 {
		t.Errorf("one server takes %d bytes, want at most 16 KiB", used)
	}
	runtime.KeepAlive(s.Get(id))
}

func TestSlotIsTwoLinesOneForReadingOneForWriting(t *testing.T) {
	var s Slot
	if size := unsafe.Sizeof(s); size != 128 {
		t.Errorf("a slot is %d bytes, want 128", size)
	}
	if at := unsafe.Offsetof(s.live); at != 64 {
		t.Errorf("the counts begin at %d, want 64", at)
	}
	if end := unsafe.Offsetof(s.lastFailure) + unsafe.Sizeof(s.lastFailure); end > 64 {
		t.Errorf("the health ends at %d, want within the first 64", end)
	}
}

func TestNothingOnTheHotPathAllocates(t *testing.T) {
	s := NewSlots()
	id, err := s.Claim("one")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		slot := s.Get(id)
		if slot.Health(1).Usable() && slot.Take(5) {
			slot.AddConnect()
			slot.AddBytes(1, 2)
			slot.AddFailure(3)
			slot.Release()
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
