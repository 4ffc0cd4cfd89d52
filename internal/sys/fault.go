package sys

import "syscall"

// Fault makes cold calls fail, for tests: a function that returns a non-zero errno is believed instead of asking the kernel.
// Nil in production. Set before the loops run and cleared after they have ended; the loops read it without a lock.
var Fault struct {
	Accept  func() syscall.Errno
	Socket  func() syscall.Errno
	Connect func() syscall.Errno
	Pipe    func() syscall.Errno
}

func fault(f func() syscall.Errno) syscall.Errno {
	if f == nil {
		return 0
	}
	return f()
}
