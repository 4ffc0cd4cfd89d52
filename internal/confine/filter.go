package confine

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// condition is which calls of one kind are allowed.
type condition struct {
	call     string
	argument uint32 // from 0
	ask      question
	values   []uint32
}

type question uint8

const (
	isOneOf question = iota // the lower half is one of the values
	has                     // it has this bit
	hasNot                  // it has not
	isNull                  // both halves are 0
)

// Verdicts of a filter (linux/seccomp.h).
const (
	allow   = 0x7fff0000
	tell    = 0x7ffc0000                         // SECCOMP_RET_LOG: allowed, and logged
	refuse  = 0x00050000 | uint32(syscall.EPERM) // SECCOMP_RET_ERRNO
	unknown = 0x00050000 | uint32(syscall.ENOSYS)
)

// Where struct seccomp_data has what, in bytes. Pen's architectures are little-endian: the lower half of an argument comes first.
const (
	numberAt    = 0
	archAt      = 4
	argumentsAt = 16
	word        = 4
)

// program is the filter for an architecture. Another's calls, such as a 32-bit program's on 64 bits, are refused whatever their number; so are those of the x32 ABI, whose numbers are on no list.
func program(here *arch.Info, otherwise uint32) []bpf.Instruction {
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archAt, Size: word},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(here.ID), SkipTrue: 1},
		bpf.RetConstant{Val: otherwise},
		bpf.LoadAbsolute{Off: numberAt, Size: word},
	}
	verdict := func(name string, v uint32) {
		if n, ok := here.SyscallNames[name]; ok {
			p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(n), SkipFalse: 1}, bpf.RetConstant{Val: v})
		}
	}
	for _, name := range calls {
		verdict(name, allow)
	}
	for _, c := range partial {
		if n, ok := here.SyscallNames[c.call]; ok {
			body := c.body(otherwise)
			p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(n), SkipFalse: uint8(len(body))})
			p = append(p, body...)
		}
	}
	for _, name := range absent {
		verdict(name, unknown)
	}
	return append(p, bpf.RetConstant{Val: otherwise})
}

// body ends in a verdict on every way through it: what it has loaded is no number of a call, and nobody may take it for one.
func (c condition) body(otherwise uint32) (p []bpf.Instruction) {
	low := bpf.LoadAbsolute{Off: argumentsAt + 2*word*c.argument, Size: word}
	high := bpf.LoadAbsolute{Off: low.Off + word, Size: word}
	ask := func(cond bpf.JumpTest, value uint32) { p = append(p, bpf.JumpIf{Cond: cond, Val: value, SkipFalse: 1}) }
	p = append(p, low)
	switch c.ask {
	case isOneOf:
		for _, v := range c.values {
			ask(bpf.JumpEqual, v)
			p = append(p, bpf.RetConstant{Val: allow})
		}
	case has:
		ask(bpf.JumpBitsSet, c.values[0])
		p = append(p, bpf.RetConstant{Val: allow})
	case hasNot:
		ask(bpf.JumpBitsNotSet, c.values[0])
		p = append(p, bpf.RetConstant{Val: allow})
	case isNull:
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, SkipFalse: 3}, high)
		ask(bpf.JumpEqual, 0)
		p = append(p, bpf.RetConstant{Val: allow})
	}
	return append(p, bpf.RetConstant{Val: otherwise})
}

const (
	setModeFilter = 1 // SECCOMP_SET_MODE_FILTER
	flagTSync     = 1 // SECCOMP_FILTER_FLAG_TSYNC: in every thread
)

// filter has the kernel ask the program about each call of each thread from now on.
func (s Seccomp) filter() error {
	here, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	call, ok := here.SyscallNames["seccomp"]
	if !ok {
		return errors.New("this architecture has none")
	}
	otherwise := refuse
	if s == Log {
		otherwise = tell
	}
	raw, err := bpf.Assemble(program(here, otherwise))
	if err != nil {
		return err
	}
	list := make([]syscall.SockFilter, len(raw))
	for i, in := range raw {
		list[i] = syscall.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := &syscall.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	runtime.LockOSThread() // what the first call allows this thread, the second takes to all others: the rights of an execve, too
	defer runtime.UnlockOSThread()
	if _, _, e := syscall.Syscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		return e
	}
	thread, _, e := syscall.Syscall(uintptr(call), setModeFilter, flagTSync, uintptr(unsafe.Pointer(prog)))
	runtime.KeepAlive(prog)
	switch {
	case e != 0:
		return e
	case thread != 0:
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}
