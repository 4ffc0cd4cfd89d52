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
		if per := float64(l.bytes()+headBytes(l.stripes)) / float64(slots); slots >= 1_100_000 && per > 80 {
			t.Errorf("%d slots: %.4f bytes each", slots, per)
		}
		if p := chanceOfFull(slots, l); p > 1e-39 {
			t.Errorf("%d slots in %+v: a stripe is full with probability %g", slots, l, p)
		}
	}
}

func TestEightyBytesAClient(t *testing.T) {
	for _, slots := range []int{1_100_000, 1_234_567, 2_000_000, 5_000_000, 10_000_000, 19_999_999} {
		table := mappedTable(t, slots, 0)
		if per := float64(table.Bytes()) / float64(table.Cap()); per > 80 || per < 64 {
			t.Errorf("%d clients: %.4f bytes each, want 80 at most", slots, per)
		}
		b := table.bank.Load()
		if parts := int(unsafe.Sizeof(*table)+unsafe.Sizeof(*b)) + len(b.arena) + cap(b.stripes)*int(unsafe.Sizeof(stripe{})) + cap(b.tails)*8; int(table.Bytes()) != parts || parts > 80*slots {
			t.Errorf("%d clients: Bytes is %d, the parts add up to %d", slots, table.Bytes(), parts)
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
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
	if uintptr(unsafe.Pointer(&table.bank.Load().arena[0]))%64 != 0 {
		t.Error("the arena does not begin at a cache line")
	}
	before := residency(t, table).rss
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
	if rss := residency(t, table).rss; rss-before > 32*pageSize {
		t.Errorf("10 clients make %d bytes resident, want one page each", rss-before)
	}
}

// resident is what /proc/self/smaps says of the mapping that holds an arena.
type resident struct {
	rss   int    // bytes
	huge  int    // of them, bytes in huge pages
	flags string // nh: no huge pages, hg: huge pages wanted
}

func residency(t *testing.T, table *Table) (r resident) {
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
		if n, _ := fmt.Sscanf(string(line), "Rss: %d kB", &r.rss); n == 1 {
			r.rss *= 1024
		}
		if n, _ := fmt.Sscanf(string(line), "AnonHugePages: %d kB", &r.huge); n == 1 {
			r.huge *= 1024
		}
		if rest, ok := strings.CutPrefix(string(line), "VmFlags:"); ok {
			r.flags = rest
			return r
		}
	}
	t.Fatal("the arena is not in /proc/self/smaps")
	return resident{}
}
