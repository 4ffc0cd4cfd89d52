package process

import (
	"fmt"
	"syscall"
)

// RaiseNofile raises the number of descriptors this process may open from the soft to the hard limit and returns what is in force then, asked of the kernel.
// The Go runtime has usually done so at the start, quietly and without minding a failure; and it undoes it for programs that it starts, unless told as here that the limit is meant.
func RaiseNofile() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of descriptors: %w", err)
	}
	if limit.Cur < limit.Max {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit.Max, Max: limit.Max}); err != nil {
			return limit.Cur, fmt.Errorf("raise the limit of descriptors from %d to %d: %w", limit.Cur, limit.Max, err)
		}
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return 0, fmt.Errorf("read the limit of descriptors: %w", err)
		}
	}
	return limit.Cur, nil
}
