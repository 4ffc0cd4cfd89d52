package affinity

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

func TestSlotIsOneCacheLineWithoutPointers(t *testing.T) {
	if slotSize != 64 {
		t.Errorf("a slot is %d bytes, want 64", slotSize)
	}
	if at := firstPointer(reflect.TypeFor[slot](), "slot"); at != "" {
		t.Errorf("%s is a Go pointer or holds one", at)
	}
	if at := firstPointer(reflect.TypeFor[stripe](), "stripe"); at == "" {
		t.Error("the search for pointers finds none in a stripe, which has some")
	}
	if size := unsafe.Sizeof(stripe{}); size%128 != 0 {
		t.Errorf("a stripe is %d bytes, want whole pairs of cache lines", size)
	}
}

func firstPointer(t reflect.Type, path string) string {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if at := firstPointer(t.Field(i).Type, path+"."+t.Field(i).Name); at != "" {
				return at
			}
		}
		return ""
	case reflect.Array:
		return firstPointer(t.Elem(), path+"[]")
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Int32, reflect.Int64:
		return ""
	}
	return path
}

func TestLayout(t *testing.T) {
	for slots := 1; slots <= MaxSlots; slots += 1 + slots/7 {
		l := layoutFor(slots)
		if l.stripes < 1 || l.stripes > maxStripes || l.stripes&(l.stripes-1) != 0 {
			t.Errorf("%d slots: %d stripes", slots, l.stripes)
		}
		if slots < 2*minMean && l.stripes != 1 {
			t.Errorf("%d slots: %d stripes for a small table", slots, l.stripes)
		}
		if per := float64(l.bytes()) / float64(slots); slots >= 1_100_000 && per > 80 {
			t.Errorf("%d slots: %.2f bytes each", slots, per)
		}
		if p := chanceOfFull(slots, l); p > 1e-39 {
			t.Errorf("%d slots in %+v: a stripe is full with probability %g", slots, l, p)
		}
	}
}

// chanceOfFull bounds the probability that a client who comes to a full table finds its stripe full.
func chanceOfFull(slots int, l layout) float64 {
	if l.stripes == 1 {
		if slots+1 < l.share {
			return 0
		}
		return 1
	}
	mean := float64(slots) / float64(l.stripes)
	x := float64(l.share-1) / mean
	return math.Exp(-mean * (x*math.Log(x) - x + 1))
}

func TestNewRefuses(t *testing.T) {
	for _, slots := range []int{-1, 0, MaxSlots + 1} {
		if table, err := New(slots, 0); err == nil || table != nil {
			t.Errorf("a table of %d clients: %v", slots, err)
		}
	}
}

func TestArenaLargerThanTheAddressSpace(t *testing.T) {
	mem, err := mapArena(1 << 47)
	if mem != nil || !errors.Is(err, syscall.ENOMEM) || err.Error() != "map 140737488355328 bytes of memory: cannot allocate memory" {
		t.Errorf("mapped %d bytes, error %v", len(mem), err)
	}
}

func TestLargeTableIsTouchedLazily(t *testing.T) {
	table := mappedTable(t, 10_000_000, 0)
	if per := float64(table.Bytes()) / 1e7; per > 80 {
		t.Errorf("%.2f bytes a client", per)
	}
	if uintptr(unsafe.Pointer(&table.bank.Load().arena[0]))%64 != 0 {
		t.Error("the arena does not begin at a cache line")
	}
	before, _ := residency(t, table)
	for n := range 10 {
		table.Visit(client(n), start)
		table.Peek(client(n+1000), start)
		table.Forget(client(n + 2000))
	}
	got := 0
	for range table.Each {
		got++
	}
	if got != 10 {
		t.Errorf("Each yields %d entries, want 10", got)
	}
	// One page each. The rest is for the Go runtime, with whose mappings the kernel may have merged ours.
	if rss, _ := residency(t, table); rss-before > 32*pageSize {
		t.Errorf("10 clients make %d bytes resident, want one page each", rss-before)
	}
}

func TestHugePagesAreAskedForOnceTheyPay(t *testing.T) {
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	kernelHasThem := err == nil
	table := mappedTable(t, 300_000, 0)
	if table.bank.Load().hugeAt == 0 {
		t.Fatalf("never for %d bytes", table.Bytes())
	}
	last := int(table.bank.Load().hugeAt) - 1
	for n := range last {
		table.Visit(client(n), start)
	}
	if _, flags := residency(t, table); table.bank.Load().huge.Load() || kernelHasThem && !strings.Contains(flags, " nh") {
		t.Errorf("asked for too early, or flags %q after %d clients without nh", flags, last)
	}
	table.Visit(client(last), start)
	if _, flags := residency(t, table); !table.bank.Load().huge.Load() || kernelHasThem && !strings.Contains(flags, " hg") {
		t.Errorf("not asked for, or flags %q after %d clients without hg", flags, last+1)
	}
	if small := mappedTable(t, 1000, 0); small.bank.Load().hugeAt != 0 {
		t.Errorf("a small table asks at %d", small.bank.Load().hugeAt)
	}
}

// residency returns what /proc/self/smaps says of the mapping that holds the arena: resident bytes and the kernel's flags (nh: no huge pages, hg: huge pages wanted).
func residency(t *testing.T, table *Table) (rss int, flags string) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	addr, inside := uintptr(unsafe.Pointer(&table.bank.Load().arena[0])), false
	for line := range bytes.Lines(smaps) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(string(line), "%x-%x ", &from, &to); n == 2 {
			inside = from <= addr && addr < to
		}
		if !inside {
			continue
		}
		if n, _ := fmt.Sscanf(string(line), "Rss: %d kB", &rss); n == 1 {
			rss *= 1024
		}
		if rest, ok := strings.CutPrefix(string(line), "VmFlags:"); ok {
			return rss, rest
		}
	}
	t.Fatal("the arena is not in /proc/self/smaps")
	return 0, ""
}
