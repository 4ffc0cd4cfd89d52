package confine

import (
	"errors"
	"os"
	"strconv"

	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// errNoProc is for a jail without /proc, in a build with cgo.
var errNoProc = errors.New("not every thread can be reached: there is no /proc in here, and this is a build with cgo")

// reachable tells whether allThreads will get to every thread. In a build with cgo that takes a list of them, which the library ends the process for want of; the Go runtime knows its own.
func reachable() error {
	if !cgo {
		return nil
	}
	if entries, err := os.ReadDir("/proc/" + strconv.Itoa(os.Getpid()) + "/task"); err != nil || len(entries) == 0 {
		return errNoProc
	}
	return nil
}

// allThreads makes a call in each thread there is; those to come inherit its effect.
func allThreads(call, a, b, c uintptr) error {
	if _, _, e := psx.Syscall6(call, a, b, c, 0, 0, 0); e != 0 { // prctl wants the rest to be 0
		return e
	}
	return nil
}
