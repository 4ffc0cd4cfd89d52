package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hold opens n listeners at an address, as a socket unit does (several: with ReusePort=yes), and holds them to the end of the test.
func hold(t *testing.T, n int, address string) (files []*os.File) {
	t.Helper()
	const reusePort = 15 // SO_REUSEPORT, which syscall does not have on every architecture
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var refused error
		err := raw.Control(func(fd uintptr) {
			if n > 1 {
				refused = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1)
			}
		})
		return errors.Join(err, refused)
	}}
	config.SetMultipathTCP(false) // Go's default, and not that of socket units
	for range n {
		l, err := config.Listen(context.Background(), network(address), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		files = append(files, file)
	}
	return files
}

// Listeners that the service manager holds are served by all loops. Who comes before pen does is served, and so is who comes while one pen goes and the next is not there yet; waiting in their queue costs nothing.
func TestInheritedListeners(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, c := range []struct {
			name     string
			n, loops int
			address  string
		}{
			{"one for three loops", 1, 3, fmt.Sprint("127.0.0.1:", freePort(t))},
			{"one for each loop", 2, 2, fmt.Sprint("127.0.0.1:", freePort(t))},
			{"two for three loops", 2, 3, fmt.Sprint("[::1]:", freePort(t))},
			{"Unix", 1, 3, filepath.Join(t.TempDir(), "socket")},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				_, servers := serveNamed(t, 1)
				l := launch{poller: poller, listen: c.address, flags: []string{"--loops", fmt.Sprint(c.loops), "--drain", "60"}, servers: servers, passed: hold(t, c.n, c.address)}
				var early []*caller
				for i := range 20 {
					early = append(early, call(t, client(i, c.address), c.address))
				}
				first := l.start(t)
				for _, v := range early {
					v.mustName(t)
					v.Close()
				}
				last := call(t, client(0, c.address), c.address)
				last.mustName(t)
				first.signal(syscall.SIGTERM)
				eventually(t, stopLimit, "pen no longer listens", func() bool { return !first.listens(c.address) })
				late := call(t, client(1, c.address), c.address)
				quiet(t, first, "while somebody waits for the next pen", atRest)
				last.mustEcho(t)
				last.Close()
				if code := first.wait(stopLimit); code != 0 {
					t.Errorf("exit status %d", code)
				}
				l.start(t)
				late.mustName(t)
				late.Close()
			})
		}
	})
}

// What the service manager passes and what pen is told to listen on have to be the same, and it has to be something that can be listened on.
func TestInheritedListenersThatDoNotFit(t *testing.T) {
	at, other := fmt.Sprint("127.0.0.1:", freePort(t)), fmt.Sprint("127.0.0.1:", freePort(t))
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	multipath, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer multipath.Close()
	mptcp, err := multipath.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer mptcp.Close()
	two, elsewhere := hold(t, 2, at), hold(t, 1, other)
	for _, c := range []struct {
		passed []*os.File
		words  []string
		want   string
	}{
		{elsewhere, []string{"-f"}, "pen: listen " + at + ": the service manager passes a listener at " + other + ": let the socket unit and the listening address say the same\n"},
		{append(two[:2:2], elsewhere...), []string{"-f", "--loops", "3"}, "pen: listen " + at + ": the service manager passes a listener at " + other + ": let the socket unit and the listening address say the same\n"},
		{two, []string{"-f", "--loops", "1"}, "pen: inherit a listener: 2 are passed for 1 loops: give --loops 2, or pass fewer\n"},
		{two[:1], []string{"-f", "--loops", "2", "--steer", "client"}, "pen: steer: 1 listeners are inherited for 2 loops: --steer wants one for each\n"},
		{[]*os.File{null}, []string{"-f"}, "pen: inherit descriptor 3 (LISTEN_FD_3): not a stream socket that listens\n"},
		{[]*os.File{mptcp}, []string{"-f"}, "pen: inherit descriptor 3 (LISTEN_FD_3): neither TCP nor a Unix socket (protocol 262)\n"},
		{two[:1], nil, "pen: the service manager passes listeners to this process, and none to one in the background: give -f\n"},
	} {
		words := (&launch{poller: "raw", listen: at, servers: []string{"127.0.0.1:9"}, passed: c.passed}).words(c.words...)
		cmd := exec.Command(words[0], words[1:]...)
		cmd.ExtraFiles = c.passed
		output, _ := cmd.CombinedOutput()
		if code := exitCode(cmd.ProcessState); code != failed || string(output) != c.want {
			t.Errorf("%q: status %d, %q; want %q", c.words, code, output, c.want)
		}
	}
}

// Clients would go on coming to a listener that the service manager holds, so pen does not leave it.
func TestInheritedListenerStays(t *testing.T) {
	_, servers := serveNamed(t, 1)
	at := fmt.Sprint("127.0.0.1:", freePort(t))
	s := &steered{control: filepath.Join(t.TempDir(), "control")}
	s.balancer = launch{poller: "raw", listen: at, flags: []string{"-C", s.control}, servers: servers, passed: hold(t, 1, at)}.start(t)
	code, reply := run(t, program, "ctl", s.control, "listen", fmt.Sprint("127.0.0.1:", freePort(t)))
	if code != failed || !strings.Contains(reply, "the service manager holds the listener") {
		t.Errorf("listen: status %d, %q", code, reply)
	}
	mustVisit(t, loopback(1), at)
}

// All that the unit asks for goes together: the listener is the service manager's, which hears of start, life, reload and end, while pen is a user, confined by seccomp and Landlock.
func TestInheritedListenerOfAConfinedService(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		m, at, dir := newServiceManager(t), fmt.Sprint("127.0.0.1:", freePort(t)), openDir(t)
		file := filepath.Join(dir, "pen.conf")
		if err := os.WriteFile(file, []byte("listen "+at+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		flags := []string{"--seccomp", "on", "--landlock", "on", "-u", "nobody", "-F", file, "-C", filepath.Join(dir, "control"), "--drain", "60"}
		b := launch{poller: poller, listen: at, under: []string{"env", "NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=200000"}, flags: flags, servers: servers, passed: hold(t, 1, at)}.start(t)
		m.hears("READY=1\nSTATUS=serving .*")
		if mode := b.status("Seccomp"); mode != 2 { // SECCOMP_MODE_FILTER
			t.Errorf("Seccomp %d", mode)
		}
		c := call(t, loopback(1), at)
		c.mustName(t)
		m.hears("WATCHDOG=1\nSTATUS=serving .* 1 of 500 connections")
		b.signal(syscall.SIGHUP)
		m.hears("RELOADING=1\n.*")
		m.hears("READY=1\n.*")
		if reply, err := controlReply(filepath.Join(dir, "control"), "listen"); err != nil || reply != at+"\n" {
			t.Errorf("control port: listen %q, %v", reply, err)
		}
		b.signal(syscall.SIGTERM)
		m.hears("STOPPING=1\n.*")
		c.Close()
		if code := b.wait(stopLimit); code != 0 {
			t.Errorf("exit status %d", code)
		}
		if found := complains.FindAllString(b.log.String(), -1); found != nil {
			t.Errorf("pen complains: %q", found)
		}
	})
}
