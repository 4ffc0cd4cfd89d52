package sys

import "golang.org/x/sys/unix"

// FD owns one file descriptor. Close is idempotent; Disown is the only way to let the number out of the owner's hands.
// Not safe for concurrent use.
type FD struct {
	n int // -1: closed or disowned
}

// Own takes ownership of a descriptor.
func Own(n int) *FD { return &FD{n: n} }

// Int returns the number for use in calls; the FD keeps owning it. -1 after Close.
func (f *FD) Int() int { return f.n }

// Disown gives the number away: the caller must close it.
func (f *FD) Disown() int {
	n := f.n
	f.n = -1
	return n
}

// Close closes the descriptor; a second call does nothing.
func (f *FD) Close() error {
	if f == nil || f.n < 0 {
		return nil
	}
	return unix.Close(f.Disown())
}

// Dup returns a second descriptor of the same open file, close-on-exec.
func (f *FD) Dup() (*FD, error) {
	n, err := unix.FcntlInt(uintptr(f.n), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return Own(n), nil
}
