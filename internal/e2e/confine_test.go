package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// listed reads the names of the system calls that docs/security.md says a running pen makes; a test of internal/confine holds them against the filter's.
func listed(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "```calls\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/security.md has no list of calls")
	}
	return strings.Fields(block)
}

// confined starts pen with every file that an operator can name, all of them in one directory.
func confined(t *testing.T, poller string, under []string, more []string, servers ...string) *steered {
	t.Helper()
	s := &steered{dir: openDir(t)}
	s.control = filepath.Join(s.dir, "control")
	writeCountries(t, filepath.Join(s.dir, "countries"), map[string]string{"127.0.0.0/8": "SE"})
	in := func(name string) string { return filepath.Join(s.dir, name) }
	if err := os.WriteFile(in("pen.cfg"), []byte("blacklist 3\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	flags := append([]string{"-C", s.control, "-F", in("pen.cfg"), "-l", in("log"), "-w", in("status.html"), "-p", in("pid"), "--geoip", in("countries"),
		"--check", "tcp", "--check-interval", "0.05"}, more...)
	s.balancer = launch{poller: poller, under: under, flags: flags, servers: servers}.start(t)
	s.logs("listening")
	return s
}

// orderly plays clientEndsFirst's server, and does not mind clients that reset instead of ordering anything.
func orderly(t *testing.T) *server {
	t.Helper()
	return serve(t, "", func(c conn) error {
		o, err := receiveOrder(c)
		if err != nil {
			return nil
		}
		return clientEndsFirst.server(c, o)
	})
}

// carry makes connections of every kind: short, long enough to be spliced, reset.
func (s *steered) carry(n int) {
	s.t.Helper()
	for i := range n {
		o := order{Seed: uint64(i), Up: 100, Down: 1000}
		if i%4 == 0 {
			o.Up, o.Down = 1<<20, 1<<20 // enough to be spliced
		}
		if err := clientEndsFirst.run(loopback(i), s.address, o); err != nil {
			s.t.Errorf("transfer %d: %v", i, err)
		}
		c, err := connect(loopback(i), s.address)
		if err != nil {
			s.t.Fatal(err)
		}
		reset(c)
	}
}

// exercise has a confined pen do everything once: connections of every kind, and all that it does with files.
func (s *steered) exercise() {
	t := s.t
	t.Helper()
	in := func(name string) string { return filepath.Join(s.dir, name) }
	s.carry(24)
	if err := os.Rename(in("log"), in("log.1")); err != nil {
		t.Fatal(err)
	}
	writeCountries(t, in("fresh"), map[string]string{"127.0.0.0/8": "NO"})
	if err := os.Rename(in("fresh"), in("countries")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("pen.cfg"), []byte("blacklist 4\nacl 1 permit country NO\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.logs("reloaded")
	if got := s.do("blacklist"); got != "4\n" {
		t.Errorf("after the reload: blacklist %q", got)
	}
	eventually(t, patience, "there is a new log", func() bool { _, err := os.Stat(in("log")); return err == nil })
	s.signal(syscall.SIGUSR1)
	eventually(t, patience, "there is a status page", func() bool { _, err := os.Stat(in("status.html")); return err == nil })
	s.do("write " + in("written.cfg"))
	s.do("write")
	s.do("status")
	s.do("log " + in("log.2"))
	s.do("clients_max")
	s.do("server 1 address localhost") // a name to be looked up, of which nobody is a client
	s.carry(6)
	if _, err := os.Stat(in("log.2")); err != nil {
		t.Error(err)
	}
	to := fmt.Sprint("127.0.0.1:", freePort(t))
	s.do("listen " + to)
	c, err := connect(loopback(1), to)
	if err != nil {
		t.Fatalf("after it has moved: %v", err)
	}
	reset(c)
}

// complains finds lines of pen's log that tell of something refused.
var complains = regexp.MustCompile(`(?m)^.*(not confined|operation not permitted|permission denied|read-only file system).*$`)

// As a user, with and without a jail, and with and without Landlock, nothing that an operator does is refused: reload, rotation, GeoIP, write, status, a listener that moves.
func TestConfinedPenDoesItsWork(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for name, more := range map[string][]string{"everything": {"--seccomp", "on", "--landlock", "on"}, "no Landlock": {"--seccomp", "on"}, "no seccomp": {"--landlock", "on"}} {
			t.Run(name, func(t *testing.T) {
				s := confined(t, poller, nil, append(more, "-u", "nobody"), orderly(t).address)
				s.exercise()
				for _, key := range []string{"CapPrm", "CapEff"} {
					if got := s.statusText(key); got != "0000000000000000" {
						t.Errorf("%s is %s", key, got)
					}
				}
				wantMode := 2 // SECCOMP_MODE_FILTER
				if !slices.Contains(more, "--seccomp") {
					wantMode = 0
				}
				if mode, nnp := s.status("Seccomp"), s.status("NoNewPrivs"); mode != wantMode || nnp != 1 {
					t.Errorf("Seccomp %d, want %d; NoNewPrivs %d, want 1", mode, wantMode, nnp)
				}
				s.finish()
				if found := complains.FindAllString(s.log.String(), -1); found != nil {
					t.Errorf("pen complains: %q", found)
				}
			})
		}
	})
}

// Root keeps what the flags need: with a file of commands, which may say `listen 80` and is perhaps somebody else's, two capabilities of forty; with nothing, none; with --caps keep, all.
func TestConfinedRoot(t *testing.T) {
	_, servers := serveNamed(t, 1)
	file := filepath.Join(openDir(t), "pen.cfg")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all := process(os.Getpid()).statusText("CapPrm")
	for want, flags := range map[string][]string{
		"0000000000000000": nil,
		"0000000000000402": {"-F", file},
		"0000000000001000": {"-O", "transparent"},
		all:                {"--caps", "keep"},
	} {
		b := launch{poller: "raw", flags: flags, servers: servers}.start(t)
		mustVisit(t, loopback(1), b.address)
		if got := b.statusText("CapEff"); got != want {
			t.Errorf("%q: capabilities %s, want %s", flags, got, want)
		}
	}
}

var callName = regexp.MustCompile(`^\d+ +(?:<\.\.\. )?([a-z0-9_]+)(?:\(| resumed)`)

// As strace sees it, a confined pen makes the calls of the list and no other, and none of them is refused.
func TestConfinedPenKeepsToItsCalls(t *testing.T) {
	allowed := listed(t)
	eachPoller(t, func(t *testing.T, poller string) {
		trace := filepath.Join(t.TempDir(), "trace")
		s := confined(t, poller, []string{"strace", "-f", "-qq", "-o", trace}, []string{"-u", "nobody", "--seccomp", "on", "--landlock", "on"}, orderly(t).address)
		s.exercise()
		s.finish()
		content, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		_, after, found := strings.Cut(string(content), "SECCOMP_FILTER_FLAG_TSYNC")
		if !found {
			t.Fatal("no filter was installed")
		}
		seen := map[string]int{}
		for line := range strings.Lines(after) {
			m := callName.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			name := m[1]
			seen[name]++
			regular := name == "epoll_ctl" || name == "rt_sigreturn" // Go tries the former on every file, and one on a disk cannot be waited for; the latter repeats the answer to a call that a signal came after
			if (strings.Contains(line, "EPERM") || strings.Contains(line, "EACCES")) && !regular {
				t.Errorf("refused: %s", line)
			}
			if name == "clone3" && !strings.Contains(line, "ENOSYS") && !strings.Contains(line, "unfinished") {
				t.Errorf("not turned away: %s", line)
			}
		}
		delete(seen, "seccomp") // its own second half
		delete(seen, "clone3")
		for name, n := range seen {
			if !slices.Contains(allowed, name) {
				t.Errorf("%d calls of %s, which is not on the list of docs/security.md", n, name)
			}
		}
		for _, must := range []string{"accept4", "connect", "splice", "openat", "unlinkat"} {
			if seen[must] == 0 {
				t.Errorf("no %s: the trace shows nothing", must)
			}
		}
		shown(t, "%s: a confined pen made %d different calls, all on the list of %d", poller, len(seen), len(allowed))
	})
}
