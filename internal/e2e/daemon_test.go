package e2e

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// daemon starts pen in the background with a pid file and returns its process, which is stopped at the end of the test.
func daemon(t *testing.T, l launch) (p process, pidFile string) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // pen writes the file as the user it has become
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	pidFile = filepath.Join(dir, "pid")
	l.flags = append([]string{"-p", pidFile}, l.flags...)
	if code, output := l.run(t); code != 0 {
		t.Fatalf("daemon: exit status %d: %s", code, output)
	}
	content, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatalf("when the start has ended: %v", err)
	}
	pid, err := strconv.Atoi(string(content))
	if err != nil {
		t.Fatalf("the pid file holds %q, want bare digits", content)
	}
	p = process(pid)
	t.Cleanup(func() {
		if p.runs() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return p, pidFile
}

// runs reports whether the process is there and has not ended.
func (p process) runs() bool {
	f := p.stat()
	return len(f) > 0 && f[0] != "Z"
}

// The start ends, with status 0, when clients can be served and not before. SIGTERM ends the daemon and takes the pid file away.
func TestDaemon(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		l := launch{poller: poller, listen: fmt.Sprint("127.0.0.1:", freePort(t)), servers: servers}
		p, pidFile := daemon(t, l)
		mustVisit(t, loopback(1), l.listen)
		if parent := p.stat()[1]; parent == strconv.Itoa(os.Getpid()) {
			t.Errorf("the daemon is still a child of the one who started it")
		}
		if session := p.stat()[3]; session == (process(os.Getpid())).stat()[3] {
			t.Errorf("the daemon is still in the session of the one who started it")
		}
		if err := syscall.Kill(int(p), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, stopLimit, "the daemon has ended", func() bool { return !p.runs() })
		if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
			t.Errorf("the pid file is still there (%v)", err)
		}
		if c, err := connect(loopback(1), l.listen); err == nil {
			c.Close()
			t.Errorf("something still listens")
		}
	})
}

// A daemon that cannot start says so to the one who starts it, unlike Pen, whose start always succeeded (PEN.md 1.8).
func TestFailedDaemonExitsNonZero(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		busy := serve(t, "", named("busy"))
		pidFile := filepath.Join(t.TempDir(), "pid")
		l := launch{poller: poller, listen: busy.address, flags: []string{"-p", pidFile}, servers: []string{"127.0.0.1:80"}}
		if code, output := l.run(t); code != failed || output == "" {
			t.Errorf("on a busy port: exit status %d, want %d and a message; %q", code, failed, output)
		}
		if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
			t.Errorf("a pid file is left (%v)", err)
		}
	})
}

// -u and -j: the process runs as the user, with no way back, and sees the directory as its root; it opens its listener before. These need root.
func TestUserAndChroot(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := nobody.Uid, nobody.Gid
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		jail, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		check := func(t *testing.T, p process, address string) {
			t.Helper()
			mustVisit(t, loopback(1), address)
			for _, id := range []struct{ key, want string }{{"Uid", uid}, {"Gid", gid}} {
				if got := p.status(id.key); strconv.Itoa(got) != id.want {
					t.Errorf("%s is %d, want %s", id.key, got, id.want)
				}
			}
			threads, _ := filepath.Glob(p.path("task/*/root"))
			for _, thread := range threads {
				if root, err := os.Readlink(thread); err != nil || root != jail {
					t.Errorf("%s is %q, want %q (%v)", thread, root, jail, err)
				}
			}
		}
		flags := []string{"-u", "nobody", "-j", jail}
		b := launch{poller: poller, listen: fmt.Sprint("127.0.0.1:", rootsPort(t)), flags: flags, servers: servers}.start(t)
		check(t, b.process, b.address)

		l := launch{poller: poller, listen: fmt.Sprint("127.0.0.1:", freePort(t)), flags: []string{"-u", "nobody"}, servers: servers}
		p, _ := daemon(t, l)
		jail = "/"
		check(t, p, l.listen)
		if err := syscall.Kill(int(p), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, stopLimit, "the daemon has ended", func() bool { return !p.runs() })
	})
}

// rootsPort is a free port that only root may open: a process of another user that listens there opened it before it changed.
func rootsPort(t *testing.T) int {
	t.Helper()
	for port := 1023; port > 600; port-- {
		if freeNow(port) {
			return port
		}
	}
	t.Fatal("no free port below 1024; this test needs root")
	return 0
}
