package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Exit statuses of a start that came to nothing.
const (
	failed = 1  // the command line is in order, but what it asks for cannot be had
	usage  = 64 // EX_USAGE of sysexits.h: the command line itself is wrong
)

// Bad input gives one line that names what is wrong, an exit status, and nothing half-started.
func TestBadInput(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	const server = "127.0.0.1:80"
	const port = "a free port" // of 127.0.0.1, for each row its own
	lines := []struct {
		name  string
		words []string
		code  int
		says  string // the part of the line that names the fault
	}{
		{"bad port", []string{"127.0.0.1:nosuchservice", server}, usage, "nosuchservice"},
		{"bad server port", []string{port, "127.0.0.1:nosuchservice"}, usage, "nosuchservice"},
		{"port out of range", []string{"99999", server}, usage, "99999"},
		{"server port out of range", []string{port, "127.0.0.1:99999"}, usage, "99999"},
		{"unknown host", []string{port, "no-such-host.invalid:80"}, failed, "no-such-host.invalid"},
		{"garbage in a server", []string{port, "127.0.0.1:80:many:5"}, usage, "many"},
		{"negative limit", []string{port, "127.0.0.1:80:-1"}, usage, "-1"},
		{"too many fields", []string{port, "127.0.0.1:80:1:2:3:4:5"}, usage, "127.0.0.1:80:1:2:3:4:5"},
		{"unclosed bracket", []string{port, "[::1:80"}, usage, "[::1:80"},
		{"no servers", []string{port}, usage, "server"},
		{"busy port", []string{busy.Addr().String(), server}, failed, busy.Addr().String()},
		{"address of another machine", []string{"192.0.2.1:8080", server}, failed, "192.0.2.1"},
		{"socket where nothing can be", []string{"/nonexistent/socket", server}, failed, "/nonexistent/socket"},
		{"unwritable pid file", []string{"-p", "/nonexistent/pid", port, server}, failed, "/nonexistent/pid"},
		{"no such user", []string{"-u", "nosuchuser", port, server}, failed, "nosuchuser"},
		{"no such directory", []string{"-j", "/nonexistent", port, server}, failed, "/nonexistent"},
		{"no such CPU", []string{"--cpus", "1023", port, server}, usage, "1023"},
		{"garbage CPU list", []string{"--cpus", "0-", port, server}, usage, "0-"},
		{"unknown flag", []string{"--nonsense", port, server}, usage, "nonsense"},
		{"flag without its value", []string{"-t"}, usage, "-t"},
		{"not a number", []string{"-c", "lots", port, server}, usage, "lots"},
		{"unknown poller", []string{"--poller", "kqueue", port, server}, usage, "kqueue"},
		{"unknown splice mode", []string{"--splice", "perhaps", port, server}, usage, "perhaps"},
		{"unknown check", []string{"--check", "icmp", port, server}, usage, "icmp"},
		{"bad prefix", []string{"--track-prefix", "33/64", port, server}, usage, "33"},
		{"bad client rate", []string{"--client-rate", "20", port, server}, usage, "--client-rate"},
		{"client rate out of range", []string{"--client-rate", "10001/s", port, server}, usage, "10001/s"},
		{"bad answer to clients over a limit", []string{"--client-limit", "drop", port, server}, usage, "drop"},
		{"bad pipe size", []string{"--pipe-size", "5000", port, server}, usage, "5000"},
		{"bad emergency server", []string{"-e", "127.0.0.1:99999", port, server}, usage, "99999"},
	}
	t.Cleanup(func() { shown(t, "%d bad command lines: one line on stderr each, exit status 64 or 1", len(lines)) })
	for _, c := range lines {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			words := slices.Clone(c.words)
			if i := slices.Index(words, port); i >= 0 {
				words[i] = closedPort(t)
			}
			code, output := run(t, append([]string{program, "-f"}, words...)...)
			if code != c.code {
				t.Errorf("exit status %d, want %d", code, c.code)
			}
			if n := strings.Count(output, "\n"); n != 1 || !strings.HasSuffix(output, "\n") {
				t.Errorf("%d lines, want one", n)
			}
			if !strings.HasPrefix(output, "pen: ") || !strings.Contains(output, c.says) {
				t.Errorf("the line does not start with pen: or does not name %q", c.says)
			}
			if t.Failed() {
				t.Logf("pen -f %s\n%s", strings.Join(words, " "), output)
			}
		})
	}
}

// No arguments at all: how it is used, on stderr. --help and --version are no errors.
func TestUsage(t *testing.T) {
	if code, output := run(t, program); code != usage || !strings.Contains(output, "pen [") {
		t.Errorf("no arguments: exit status %d, %q", code, output)
	}
	if code, output := run(t, program, "--help"); code != 0 || !strings.Contains(output, "--idle-timeout") {
		t.Errorf("--help: exit status %d, %q", code, output)
	}
	if code, output := run(t, program, "--version"); code != 0 || !strings.Contains(output, "pen") {
		t.Errorf("--version: exit status %d, %q", code, output)
	}
}

// A start that fails late, after it has made things, takes them away again.
func TestFailedStartLeavesNothing(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, mode := range [][]string{{"-f"}, nil} {
			dir := t.TempDir()
			pid, socket := filepath.Join(dir, "pid"), filepath.Join(dir, "socket")
			l := launch{poller: poller, listen: socket, flags: []string{"-p", pid, "-u", "nosuchuser"}, servers: []string{"127.0.0.1:80"}}
			if code, output := l.run(t, mode...); code != failed {
				t.Errorf("%v: exit status %d, want %d; %s", mode, code, failed, output)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%v: left behind: %v, %v", mode, left, err)
			}
		}
	})
}

// PEN.md B15: a second instance on the same port started happily and took half of the clients.
func TestB15SecondInstanceIsRefused(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		for _, listen := range []string{fmt.Sprint("127.0.0.1:", freePort(t)), filepath.Join(t.TempDir(), "socket"), fmt.Sprint(freePort(t))} {
			first := launch{poller: poller, listen: listen, servers: servers[:1]}.start(t)
			for _, mode := range [][]string{{"-f"}, nil} {
				code, output := launch{poller: poller, listen: listen, servers: servers[1:]}.run(t, mode...)
				if code != failed || !strings.Contains(output, listen) {
					t.Errorf("a second pen %v on %s: exit status %d, want %d and a line that names the address: %s", mode, listen, code, failed, output)
				}
			}
			to := listen
			if !strings.ContainsAny(to, ":/") {
				to = "127.0.0.1:" + to
			}
			for range 50 {
				c := call(t, client(1, to), to)
				if got := c.mustName(t); got != "a" {
					t.Fatalf("a client of the first is served by the second's server")
				}
				c.Close()
			}
			first.finish()
		}
	})
}
