package loop

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/sys"
)

// The cause of an ending says whose doing it was.
func TestWhoseDoingAnErrnoIs(t *testing.T) {
	for want, errnos := range map[account.Cause][]syscall.Errno{
		account.ServerReset: {0, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, syscall.ECONNABORTED},
		account.ServerLost:  {syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENONET, syscall.EPROTO, syscall.ENOPROTOOPT},
		account.Local:       {syscall.ENOMEM, syscall.ENOBUFS, syscall.ENOSPC, syscall.EBADF, syscall.EINVAL, syscall.EFAULT, syscall.ENOTSOCK, syscall.ENOTCONN, syscall.EPERM, syscall.EACCES, syscall.EMSGSIZE, syscall.EIO},
	} {
		for _, e := range errnos {
			c := &conn{}
			c.server.errno = uint8(e)
			if got := c.resetBy(&c.server); got != want {
				t.Errorf("%v of a server is %v, want %v", e, got, want)
			}
		}
	}
}

// deaf is a poller's hooks while its wait is refused.
type deaf struct {
	refused []syscall.Errno
	turns   int
	most    int
}

func (h *deaf) event(int, uint16, uint32) {}
func (h *deaf) failed(e syscall.Errno)    { h.refused = append(h.refused, e) }
func (h *deaf) turn() bool                { h.turns++; return h.turns < h.most }
func (h *deaf) String() string            { return fmt.Sprint(h.refused, " in ", h.turns, " turns") }

// A loop whose waits are refused takes its turns, to hear what it is told, and neither ends nor goes round and round. The kernel refuses a wait on what is no epoll descriptor.
func TestARefusedWaitRests(t *testing.T) {
	eachPoller(t, func(t *testing.T, kind string) {
		epolls := func() (list []string) { return linksTo(t, "anon_inode:[eventpoll]") }
		before := epolls()
		p, err := openPoller(kind)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		fd := newOne(t, before, epolls())
		other, err := sys.NewEventFD()
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := syscall.Dup3(other.Int(), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		h := &deaf{most: 4}
		began := time.Now()
		p.run(h)
		if took := time.Since(began); took < 3*waitRest || len(h.refused) < 3 || slices.ContainsFunc(h.refused, func(e syscall.Errno) bool { return e != syscall.EINVAL }) {
			t.Errorf("%v: %v", took, h)
		}
	})
}

// linksTo lists the descriptors that lead to something.
func linksTo(t *testing.T, what string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); to == what {
			names = append(names, e.Name())
		}
	}
	return names
}

// newOne is the one descriptor that has come.
func newOne(t *testing.T, before, after []string) int {
	t.Helper()
	after = slices.DeleteFunc(after, func(name string) bool { return slices.Contains(before, name) })
	if len(after) != 1 {
		t.Fatalf("%d epoll descriptors have come, want 1", len(after))
	}
	fd, err := strconv.Atoi(after[0])
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
