package affinity

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

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
	if r := residency(t, table); table.bank.Load().huge.Load() || kernelHasThem && !strings.Contains(r.flags, " nh") {
		t.Errorf("asked for too early, or flags %q after %d clients without nh", r.flags, last)
	}
	table.Visit(client(last), start)
	if r := residency(t, table); !table.bank.Load().huge.Load() || kernelHasThem && !strings.Contains(r.flags, " hg") {
		t.Errorf("not asked for, or flags %q after %d clients without hg", r.flags, last+1)
	}
	if small := mappedTable(t, 1000, 0); small.bank.Load().hugeAt != 0 {
		t.Errorf("a small table asks at %d", small.bank.Load().hugeAt)
	}
}

// TestHugePagesAreThereSoon takes the kernel at its word: where it makes one page huge on demand, the table gets some.
func TestHugePagesAreThereSoon(t *testing.T) {
	canBe := kernelCollapses(t)
	table := mappedTable(t, 300_000, 0)
	fill(table, int(table.bank.Load().hugeAt))
	table.bank.Load().collapsing.Wait()
	if r := residency(t, table); canBe && r.huge < hugePage {
		t.Errorf("%d bytes in huge pages", r.huge)
	}
	for n := range int(table.bank.Load().hugeAt) {
		if !remembers(table, n) {
			t.Fatalf("client %d is lost", n)
		}
	}
	if err := verify(table); err != nil {
		t.Error(err)
	}
}

// kernelCollapses says whether huge pages are allowed here and one can be had.
func kernelCollapses(t *testing.T) bool {
	mem, err := mapArena(hugeFrom)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mem)
	adviseHuge(mem)
	at := toHugePage(mem)
	return mayCollapse() && collapsePage(mem[at:at+hugePage]) == nil
}

func TestCollapseCoversTheArenaPageByPage(t *testing.T) {
	for errno, want := range map[syscall.Errno]int{0: 3, syscall.EAGAIN: 3, syscall.ENOMEM: 3, syscall.EINVAL: 1} {
		synctest.Test(t, func(t *testing.T) {
			mem := make([]byte, 4*hugePage+100)
			first := toHugePage(mem)
			mem = mem[:first+3*hugePage+100]
			var got []int
			replaceCollapsePage(t, func(page []byte) error {
				got = append(got, int(uintptr(unsafe.Pointer(&page[0]))-uintptr(unsafe.Pointer(&mem[0])))/hugePage)
				if uintptr(unsafe.Pointer(&page[0]))%hugePage != 0 || len(page) != hugePage {
					t.Errorf("asked for %d bytes at %p", len(page), &page[0])
				}
				if errno == 0 {
					return nil
				}
				return errno
			})
			began := time.Now()
			collapse(mem, make(chan struct{}))
			if len(got) != want || time.Since(began) != time.Duration(want)*collapsePause {
				t.Errorf("%v: pages %v in %v, want %d", errno, got, time.Since(began), want)
			}
			for n, page := range got {
				if page != n+first/hugePage {
					t.Errorf("%v: pages %v, want each once", errno, got)
				}
			}
		})
	}
}

func TestCollapseEndsWhenTheArenaGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages, left := 0, make(chan struct{})
		replaceCollapsePage(t, func([]byte) error {
			if pages++; pages == 2 {
				close(left)
			}
			return nil
		})
		collapse(make([]byte, 5*hugePage), left)
		if pages != 2 {
			t.Errorf("%d pages, want 2", pages)
		}
	})
}

// A page asked for later would be another mapping's.
func TestCloseWaitsForThePageBeingMade(t *testing.T) {
	began, end, inside := make(chan struct{}), make(chan struct{}), false
	replaceCollapsePage(t, func([]byte) error {
		close(began) // panics the second time: the arena is left by then
		inside = true
		<-end
		inside = false
		return nil
	})
	table := mappedTable(t, 300_000, 0)
	table.bank.Load().collapses = true // whatever the kernel
	fill(table, int(table.bank.Load().hugeAt))
	<-began
	time.AfterFunc(20*time.Millisecond, func() { close(end) })
	if err := table.Close(); err != nil || inside {
		t.Errorf("closed while a page was being made: %t, %v", inside, err)
	}
}

func replaceCollapsePage(t *testing.T, with func([]byte) error) {
	was := collapsePage
	collapsePage = with
	t.Cleanup(func() { collapsePage = was })
}
