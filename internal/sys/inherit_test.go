package sys

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// passOn is what comes to us of another's listeners: duplicates.
func passOn(t *testing.T, held []*FD) (passed []*FD) {
	t.Helper()
	for _, fd := range held {
		d, err := fd.Dup()
		if err != nil {
			t.Fatal(err)
		}
		passed = append(passed, d)
	}
	return passed
}

func TestInheritedListenersShare(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		held, at := listen(t, anyPort4, false, n, 8, Tuning{NoDelay: true})
		if err := unix.SetNonblock(held[0].Int(), false); err != nil { // as systemd passes them
			t.Fatal(err)
		}
		fds, err := Inherit(passOn(t, held), 3, 8, Tuning{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeAll(fds) })
		if len(fds) != 3 {
			t.Fatalf("%d listeners for 3 loops", len(fds))
		}
		for i, fd := range fds {
			wantFlags(t, fd.Int())
			where, path, err := Listening(fd.Int())
			if where != at || path != "" || err != nil {
				t.Errorf("listens at %v %q, %v; want %v", where, path, err, at)
			}
			if on, err := unix.GetsockoptInt(fd.Int(), unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on != 0 {
				t.Errorf("of %d: listener %d has kept an option that is not asked for (%d, %v)", n, i, on, err)
			}
		}
		if n == 1 { // any of them takes any connection
			for _, fd := range fds {
				dial(t, at)
				accept(t, fd.Int())
			}
		}
	}
}

func TestInheritedUnixListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fds, err := Inherit(passOn(t, listenUnix(t, path, 1, 8)), 2, 8, Tuning{NoDelay: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(fds) })
	if at, where, err := Listening(fds[1].Int()); at.IsValid() || where != path || err != nil {
		t.Errorf("listens at %v %q, %v; want %s", at, where, err, path)
	}
	dialUnix(t, path)
	accept(t, fds[1].Int())
}

func TestInheritRefuses(t *testing.T) {
	held, at := listen(t, anyPort6, false, 2, 8, Tuning{})
	for want, passed := range map[string][]*FD{
		"give --loops 2":                     passOn(t, held),
		"not a stream socket that listens":   passOn(t, []*FD{socket(t, at)}),
		"inherit a listener: not a stream s": passOn(t, []*FD{owned(t, anEventFD(t))}),
	} {
		fds, err := Inherit(passed, 1, 8, Tuning{})
		if err == nil || !strings.Contains(err.Error(), want) || fds != nil {
			t.Errorf("%v, %v; want %q", fds, err, want)
		}
		for _, fd := range passed {
			if fd.Int() >= 0 {
				t.Errorf("%s: a descriptor is left open", want)
			}
		}
	}
}

func anEventFD(t *testing.T) int {
	t.Helper()
	fd, err := NewEventFD()
	if err != nil {
		t.Fatal(err)
	}
	return fd.Disown()
}
