package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serviceManager is systemd's side of sd_notify.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return &serviceManager{t, conn, path}
}

// hears waits for a word that matches, passes over others, and returns how many those were.
func (m *serviceManager) hears(pattern string) (others int) {
	m.t.Helper()
	want, buf := regexp.MustCompile("(?s)^"+pattern+"$"), make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		m.t.Fatal(err)
	}
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waiting for %s: %v", pattern, err)
		}
		if want.Match(buf[:n]) {
			return others
		}
		others++
	}
}

// The service manager hears when pen is ready, that it lives, of a reload and of its end; from inside a jail too.
func TestServiceManagerIsTold(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, jailed := range []bool{false, true} {
			m := newServiceManager(t)
			_, servers := serveNamed(t, 2)
			under := []string{"env", "NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=200000"}
			flags := []string{"--drain", "60"}
			if jailed {
				flags = append(flags, "-j", t.TempDir())
			}
			b := launch{poller: poller, under: under, flags: flags, servers: servers}.start(t)
			serving := "serving " + regexp.QuoteMeta(b.address) + ": 2 of 2 servers usable, "
			if others := m.hears("READY=1\nSTATUS=" + serving + "0 of 500 connections"); others != 0 {
				t.Errorf("%d words before READY", others)
			}
			m.hears("WATCHDOG=1\nSTATUS=" + serving + "0 of 500 connections")
			c := call(t, loopback(1), b.address)
			c.mustName(t)
			m.hears("WATCHDOG=1\nSTATUS=" + serving + "1 of 500 connections")
			b.signal(syscall.SIGHUP)
			m.hears("RELOADING=1\nMONOTONIC_USEC=[0-9]+")
			m.hears("READY=1\nSTATUS=" + serving + ".*")
			b.signal(syscall.SIGTERM)
			m.hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=70000000\nSTATUS=draining: [0-9]+ connections open") // while a loop looks whether somebody waits, it counts him
			m.hears("WATCHDOG=1\nSTATUS=draining: 1 connections open")                                    // it may take long: it has to go on saying that it lives
			c.Close()
			if code := b.wait(stopLimit); code != 0 {
				t.Errorf("exit status %d", code)
			}
		}
	})
}

// A stopped process says nothing, which is what the watchdog is for.
func TestWatchdogHearsNothingOfAStuckProcess(t *testing.T) {
	m := newServiceManager(t)
	_, servers := serveNamed(t, 1)
	b := launch{poller: "raw", under: []string{"env", "NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=100000"}, servers: servers}.start(t)
	m.hears("WATCHDOG=1\n.*")
	b.signal(syscall.SIGSTOP)
	eventually(t, stopLimit, "pen is stopped", func() bool { return b.process.stat()[0] == "T" })
	buf := make([]byte, 4096)
	quiet := false
	for range 100 { // what was said before is still to be heard
		if err := m.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil { // ten times as long as between two words
			t.Fatal(err)
		}
		if _, err := m.conn.Read(buf); err != nil {
			quiet = true
			break
		}
	}
	if !quiet {
		t.Error("a stopped pen goes on talking")
	}
	b.signal(syscall.SIGCONT)
	m.hears("WATCHDOG=1\n.*")
}

// A service manager that is not there is no reason not to serve.
func TestServiceManagerThatIsGone(t *testing.T) {
	_, servers := serveNamed(t, 1)
	b := launch{poller: "raw", under: []string{"env", "NOTIFY_SOCKET=/nonexistent/notify"}, servers: servers}.start(t)
	mustVisit(t, loopback(1), b.address)
	if !strings.Contains(b.log.String(), "connect to the service manager") {
		t.Error("the log does not say that the service manager cannot be told")
	}
}

// pen check says what a start would do, and does none of it.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pen.conf")
	port := freePort(t)
	content := fmt.Sprintf("listen 127.0.0.1:%d\nserver 0 address 127.0.0.1 port 81 max 5 hard 7\nserver 2 address 127.0.0.2 port 82\ntracking 60\nno roundrobin\nwrite %s\nwrite\n", port, filepath.Join(dir, "written"))
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	code, output := run(t, program, "check", file, "-h", "-p", filepath.Join(dir, "pid"), "-C", filepath.Join(dir, "ctl"), "-l", filepath.Join(dir, "log"), "-e", "127.0.0.1:83")
	if code != 0 {
		t.Errorf("exit status %d", code)
	}
	for _, want := range []string{
		fmt.Sprintf(`listen +127\.0\.0\.1:%d`, port), `server 0 +127\.0\.0\.1:81, soft 5, hard 7`, `server 2 +127\.0\.0\.2:82`, `emergency +127\.0\.0\.1:83`,
		`chosen by +the client's home, else a hash of the client's address`, `clients +2048 remembered, forgotten after 1m0s; .*`, `connections +500 at once, .*`,
		`plan: .* 500 connections, .* descriptors, .*`,
	} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(output) {
			t.Errorf("does not say %s", want)
		}
	}
	if code, output := run(t, program, "check", file, "-l", "stderr"); code != 0 || !strings.Contains(output, "(-f)") { // the unit may have the flag
		t.Errorf("a log to stderr: status %d", code)
	}
	if strings.Contains(output, "server 1") {
		t.Error("has a server that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != content {
		t.Errorf("the file has become %q, %v", now, err)
	}
	if t.Failed() {
		t.Log(output)
	}
}

// What is wrong is said as the start says it, with the same exit status.
func TestCheckFailsAsTheStartDoes(t *testing.T) {
	dir, free := t.TempDir(), closedPort(t)
	for i, c := range []struct {
		content string
		words   []string
		code    int
	}{
		{"servr 0\n", []string{free}, failed},
		{"server 0 address 127.0.0.1 port many\n", []string{free}, failed},
		{"", []string{free}, failed},                         // no servers
		{"server 0 address 127.0.0.1 port 80\n", nil, usage}, // nowhere to listen
		{"", []string{"-c", "lots", free, "127.0.0.1"}, usage},
		{"", []string{"--nonsense"}, usage},
		{"", []string{"-x", "5000000", "--check", "off", free, "127.0.0.1"}, failed},
		{"", []string{free, "no-such-host.invalid"}, failed},
		{"", []string{"-u", "nosuchuser", free, "127.0.0.1:80"}, failed},
		{"", []string{"-j", "/nonexistent", free, "127.0.0.1:80"}, failed},
		{"", []string{"-p", "/nonexistent/pid", free, "127.0.0.1:80"}, failed},
		{"", []string{"--cpus", "1023", free, "127.0.0.1:80"}, usage},
		{"", []string{"--geoip", "/nonexistent", free, "127.0.0.1:80"}, failed},
	} {
		file := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(file, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		code, said := run(t, append([]string{program, "check", file}, c.words...)...)
		started, shouted := run(t, append([]string{program, "-f", "-F", file}, c.words...)...)
		if code != c.code || started != c.code || said != shouted || !strings.HasPrefix(said, "pen: ") {
			t.Errorf("%q %q: check %d %q, start %d %q; want %d and one line alike", c.content, c.words, code, said, started, shouted, c.code)
		}
	}
	if code, said := run(t, program, "check", "/nonexistent"); code != failed || !strings.Contains(said, "/nonexistent: no such file or directory") {
		t.Errorf("no file: %d, %q", code, said)
	}
	if code, said := run(t, program, "check"); code != usage || !strings.Contains(said, "Usage:") {
		t.Errorf("no arguments: %d, %q", code, said)
	}
}
