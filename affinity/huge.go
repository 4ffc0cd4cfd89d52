package affinity

import (
	"bytes"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const (
	// hugeFrom is the arena, in bytes, from which huge pages are asked for: below it small pages fit the reach of a TLB of 2048 entries twice over.
	hugeFrom = 16 << 20

	hugePage = 2 << 20 // bytes, of x86-64 and of arm64 with small pages of 4 KiB; where they are larger the kernel's khugepaged does it all

	// collapsePause comes before each huge page that is made: an arena for 10 million clients has its 381 after 20 s, and khugepaged would take 8 minutes.
	// Making one takes the kernel up to 10 ms, most of it for memory from the host of a virtual machine, in which a visit of one of its 26,000 clients waits.
	collapsePause = 50 * time.Millisecond

	madvCollapse = 25 // MADV_COLLAPSE, Linux 6.1; package syscall is older
)

// hugeAfter returns the number of clients at which huge pages cost little memory and spare TLB misses: as many clients as small pages, when two pages in
// three are resident already. 0 means never.
func hugeAfter(bytes int) int64 {
	if bytes < hugeFrom {
		return 0
	}
	return int64(bytes / pageSize)
}

// adviseHuge lets the kernel use huge pages: at once where nothing is resident yet, and elsewhere as its khugepaged comes by, 16 MiB per 10 s by default.
func adviseHuge(mem []byte) { _ = syscall.Madvise(mem, syscall.MADV_HUGEPAGE) }

// mayCollapse says whether the operator lets huge pages be: MADV_COLLAPSE itself does not ask. Not to be known in a chroot without /sys, so it is asked early; then no.
func mayCollapse() bool {
	modes, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err == nil && !bytes.Contains(modes, []byte("[never]"))
}

// collapse puts huge pages in place of small ones, one at a time, until all are or left is closed. What the kernel has no memory for just now is left to khugepaged.
func collapse(mem []byte, left <-chan struct{}) {
	pause := time.NewTicker(collapsePause)
	defer pause.Stop()
	for at := toHugePage(mem); at+hugePage <= len(mem); at += hugePage {
		select {
		case <-left:
			return
		case <-pause.C:
		}
		if err := collapsePage(mem[at : at+hugePage]); err == syscall.EINVAL {
			return // a kernel that does not know how
		}
	}
}

// collapsePage is a variable for the tests.
var collapsePage = func(mem []byte) error { return syscall.Madvise(mem, madvCollapse) }

// toHugePage is how far into mem the first place for a huge page is.
func toHugePage(mem []byte) int {
	return int(-uintptr(unsafe.Pointer(unsafe.SliceData(mem))) % hugePage)
}
