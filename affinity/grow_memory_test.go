package affinity

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestGrowAndCloseUnmap(t *testing.T) {
	const slots = 200_000 // 12.8 MB and more each time
	size := addressSpace(t)
	for range 10 {
		table := mappedTable(t, 1000, 0)
		fill(table, 1000)
		arenas := [][]byte{table.bank.Load().arena}
		for n := 1; n <= 3; n++ {
			if err := table.Grow(n * slots); err != nil {
				t.Fatal(err)
			}
			arenas = append(arenas, table.bank.Load().arena)
		}
		if more := int(table.Bytes()) - len(arenas[3]); more != headBytes(maxStripes) || table.Bytes() < 3*slots*64 {
			t.Errorf("Bytes is %d", table.Bytes())
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		// The syscall package knows what it has mapped.
		for n, arena := range arenas {
			if err := syscall.Munmap(arena); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("arena %d of 4 was still mapped: %v", n, err)
			}
		}
	}
	if grown := addressSpace(t) - size; grown > 5*slots*64 {
		t.Errorf("%d bytes of address space more than before", grown)
	}
}

// addressSpace is the size of all mappings of this process, in bytes.
func addressSpace(t *testing.T) (bytes int) {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(statm), &bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes * os.Getpagesize()
}

func TestGrowAsksForHugePagesOnceTheyPay(t *testing.T) {
	const slots = 300_000
	grown := func(clients int) *bank {
		table := mappedTable(t, 200_000, 0)
		fill(table, clients)
		if err := table.Grow(slots); err != nil {
			t.Fatal(err)
		}
		return table.bank.Load()
	}
	at := hugeAfter(layoutFor(slots).bytes())
	if few := grown(int(at) - 1); few.huge.Load() || few.hugeAt != at {
		t.Errorf("asked: %t; at %d, want %d", few.huge.Load(), few.hugeAt, at)
	}
	if !grown(int(at)).huge.Load() {
		t.Errorf("not asked with %d clients", at)
	}
}
