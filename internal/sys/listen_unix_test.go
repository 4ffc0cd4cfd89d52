package sys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// listenUnix opens a group that the end of the test closes.
func listenUnix(t testing.TB, path string, n, backlog int) []*FD {
	t.Helper()
	fds, err := ListenUnix(path, n, backlog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(fds) })
	return fds
}

func closeAll(fds []*FD) {
	for _, fd := range fds {
		fd.Close()
	}
}

func dialUnix(t testing.TB, path string) *FD {
	t.Helper()
	n, e := Socket(Local)
	if e != 0 {
		t.Fatal(e)
	}
	fd := owned(t, n)
	if e := ConnectPath(n, path); e != 0 {
		t.Fatalf("connect %s: %v", path, e)
	}
	return fd
}

func TestListenUnixDuplicatesShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fds := listenUnix(t, path, 3, 8)
	if len(fds) != 3 {
		t.Fatalf("%d listeners", len(fds))
	}
	for _, fd := range fds { // any of them takes any connection
		wantFlags(t, fd.Int())
		dialUnix(t, path)
		server, peer := accept(t, fd.Int())
		if peer.IsValid() {
			t.Errorf("a Unix client has the address %s", peer)
		}
		if local := localAddr(t, server.Int()); local.IsValid() {
			t.Errorf("a Unix socket has the address %s", local)
		}
	}
}

func TestListenUnixReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	closeAll(listenUnix(t, path, 2, 8)) // what a kill -9 leaves: the file, and nobody behind it
	fds := listenUnix(t, path, 1, 8)
	dialUnix(t, path)
	accept(t, fds[0].Int())
}

// A live socket is refused in every state, and is not touched by the question whether it is alive: neither is a connection left in its queue, nor does it lose its name.
func TestListenUnixRefusesLiveSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	refused := func(state string) {
		t.Helper()
		check := wantNothingOpened(t)
		fds, err := ListenUnix(path, 2, 8)
		if fds != nil || !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("%s: %v, %v", state, fds, err)
		}
		if want := "listen " + path + ": bind: address already in use"; err.Error() != want {
			t.Errorf("%s: says %q, want %q", state, err, want)
		}
		check()
	}
	n, e := Socket(unix.AF_UNIX)
	if e != 0 {
		t.Fatal(e)
	}
	live := owned(t, n).Int()
	if err := unix.Bind(live, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	refused("bound, before it listens")
	if err := unix.Listen(live, 0); err != nil {
		t.Fatal(err)
	}
	refused("idle")
	if fd, _, e := unix.Accept4(live, 0); e == nil {
		unix.Close(fd)
		t.Error("the question has left a connection in the queue")
	}
	dialUnix(t, path) // fills a queue of 0
	refused("with a full queue")
	accept(t, live)
	dialUnix(t, path)
}

func TestListenUnixTouchesNothingElse(t *testing.T) {
	dir := t.TempDir()
	file, folder, link, datagram := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link"), filepath.Join(dir, "datagram")
	for _, err := range []error{os.WriteFile(file, []byte("precious"), 0o600), os.Mkdir(folder, 0o700), os.Symlink("/nowhere", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	owned(t, d)
	if err := unix.Bind(d, &unix.SockaddrUnix{Name: datagram}); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{file, folder, link, datagram} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fds, err := ListenUnix(path, 1, 8); fds != nil || !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v, %v", path, fds, err)
		}
		after, err := os.Lstat(path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is not what it was: %v", path, err)
		}
	}
	if content, err := os.ReadFile(file); string(content) != "precious" || err != nil {
		t.Errorf("the file holds %q, %v", content, err)
	}
}

func TestListenUnixPathLength(t *testing.T) {
	t.Chdir(t.TempDir())
	const most = 107
	listenUnix(t, strings.Repeat("x", most), 1, 8)
	dialUnix(t, strings.Repeat("x", most))

	check := wantNothingOpened(t)
	if fds, err := ListenUnix(strings.Repeat("x", most+1), 1, 8); fds != nil || !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("a path of %d bytes: %v, %v", most+1, fds, err)
	}
	check()
}

func TestListenUnixFailsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for free := range 3 {
		check := wantNothingOpened(t)
		t.Run("", func(t *testing.T) {
			leaveFree(t, free)
			if fds, err := ListenUnix(path, 3, 8); fds != nil || !errors.Is(err, syscall.EMFILE) {
				t.Errorf("with %d descriptors to be had, 3 listeners: %v, %v", free, fds, err)
			}
		})
		check()
		os.Remove(path)
	}
	if fds, err := ListenUnix(filepath.Join(path, "no", "such", "folder"), 1, 8); fds != nil || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no such folder: %v, %v", fds, err)
	}
}
