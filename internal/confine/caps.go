package confine

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

// Capability is one of linux/capability.h.
type Capability uint

// The capabilities that a balancer may have a use for.
const (
	DACOverride    Capability = 1  // use files that are somebody else's
	NetBindService Capability = 10 // listen on a port below 1024
	NetAdmin       Capability = 12 // connect from an address that is not ours; use any congestion control
)

const (
	setPCap         Capability = 8           // change the securebits
	prSetSecurebits            = 28          // PR_SET_SECUREBITS
	noRoot                     = 1<<0 | 1<<1 // SECBIT_NOROOT, and locked: root has no capability for being root
	capVersion3                = 0x20080522  // _LINUX_CAPABILITY_VERSION_3: 64 bits in two words
)

// capHeader and capSets are the kernel's; capget(2).
type capHeader struct {
	version uint32
	pid     int32 // 0: this thread
}

type capSets [2]struct{ effective, permitted, inheritable uint32 }

// drop gives up every capability but those to keep. Root would get them back by an execve; that is given up as well, if we may.
func drop(keep []Capability) error {
	header, sets := &capHeader{version: capVersion3}, new(capSets)
	if _, _, e := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(sets)), 0); e != 0 {
		return fmt.Errorf("capget: %w", e)
	}
	if sets[0].effective&(1<<setPCap) != 0 {
		if err := allThreads(syscall.SYS_PRCTL, prSetSecurebits, noRoot, 0); err != nil {
			return fmt.Errorf("set securebits: %w", err)
		}
	}
	kept := uint64(0)
	for _, c := range keep {
		kept |= 1 << c
	}
	for i := range sets {
		word := uint32(kept >> (32 * i))
		sets[i].effective, sets[i].permitted, sets[i].inheritable = sets[i].permitted&word, sets[i].permitted&word, 0
	}
	err := allThreads(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(sets)), 0)
	runtime.KeepAlive(header)
	runtime.KeepAlive(sets)
	if err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}
