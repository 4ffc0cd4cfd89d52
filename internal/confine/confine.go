// Package confine gives up, for good and in every thread, what a process that has finished its start does not need: capabilities, system calls, files.
//
// There are three layers, each with its own switch, and each holds if the others do not: a capability is a right that only root has, seccomp decides which calls the kernel
// takes from us at all, and Landlock which files they may be about. None of them can be taken back, by us or by whoever has taken us over.
package confine

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsyscall "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Limits are what a process keeps.
type Limits struct {
	Seccomp Seccomp
	Files   *Files       // nil: all files stay
	Caps    []Capability // kept, if the process has them now
	AllCaps bool         // nothing is dropped, whatever Caps says
}

// Enter confines the process to the limits. What this kernel, or a sandbox around us, does not let us do is left out and named in weaker, one line each: a balancer less confined is worth more than none.
// Call it once, from one goroutine, when everything that needs more is open.
func Enter(l Limits) (weaker []string) {
	try := func(what string, limit func() error) bool {
		err := limit()
		if err != nil {
			weaker = append(weaker, fmt.Sprintf("not confined by %s: %v", what, err))
		}
		return err == nil
	}
	if (l.Files != nil || !l.AllCaps) && try("capabilities and Landlock", reachable) {
		try("no_new_privs", func() error { return allThreads(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0) })
		if !l.AllCaps {
			try("capabilities", func() error { return drop(l.Caps) })
		}
		if l.Files != nil {
			try("Landlock", l.Files.confine)
		}
	}
	if l.Seccomp != Off { // last: its list has none of the calls above
		try("seccomp", l.Seccomp.filter)
	}
	return weaker
}

// prSetNoNewPrivs is of linux/prctl.h: an execve gives no rights that the process has not got, such as a setuid program's. Landlock and seccomp ask for it.
const prSetNoNewPrivs = 38

// Files is which files a confined process may use: whatever stands under these names, directories as a rule, since a file that is replaced is another file. Names that are not there are passed over.
type Files struct {
	Read  []string
	Write []string // read, write, create, replace and remove; sockets too
}

// errNoLandlock tells the two ways of having no Landlock, not built in and not switched on, in one line.
var errNoLandlock = errors.New("the kernel has none")

const (
	reading = llsyscall.AccessFSReadFile | llsyscall.AccessFSReadDir
	writing = reading | llsyscall.AccessFSWriteFile | llsyscall.AccessFSTruncate | llsyscall.AccessFSMakeReg | llsyscall.AccessFSMakeSock | llsyscall.AccessFSRemoveFile
)

func (f *Files) confine() error {
	if abi, err := llsyscall.LandlockGetABIVersion(); err != nil || abi < 1 {
		return errNoLandlock
	}
	// The fifth version of the interface is the last that is about files only, but for sockets with names, which servers may listen on anywhere.
	return landlock.V5.BestEffort().RestrictPaths(
		landlock.PathAccess(reading, f.Read...).IgnoreIfMissing(),
		landlock.PathAccess(writing, f.Write...).IgnoreIfMissing(),
		landlock.PathAccess(llsyscall.AccessFSReadFile|llsyscall.AccessFSWriteFile, "/dev/null").IgnoreIfMissing(),
	)
}

// Seccomp is what becomes of a system call that is not on the list.
type Seccomp uint8

const (
	Off Seccomp = iota
	Log         // it is made, and the kernel's log tells
	On          // it is refused: EPERM
)

// ParseSeccomp reads "off", "log" or "on".
func ParseSeccomp(text string) (Seccomp, error) {
	switch text {
	case "off":
		return Off, nil
	case "log":
		return Log, nil
	case "on":
		return On, nil
	}
	return Off, fmt.Errorf("seccomp %q: must be on, log or off", text)
}
