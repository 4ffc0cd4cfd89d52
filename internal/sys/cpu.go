package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// CPUs lists the processors this process may run on, ascending.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cpus []int
	for c := range len(set) * 64 {
		if set.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}

// Pin binds the calling thread to one processor. The caller has locked its goroutine to the thread (runtime.LockOSThread) and never unlocks it: a pinned thread must not return to Go's pool.
func Pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}
