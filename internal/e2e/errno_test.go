package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// exam is a scene in which a call fails.
type exam struct {
	*balancer
	t      *testing.T
	fault  *fault
	errno  string
	thread int
	inj    *injector
	log    string // of endings
	before int    // endings in it that are not the scene's
}

// arm makes the call fail from here on.
func (x *exam) arm() { x.inj = inject(x.t, x.thread, x.fault.call, x.errno, x.fault.when) }

// disarm makes it work again, once it has failed.
func (x *exam) disarm() {
	x.t.Helper()
	for deadline := time.Now().Add(unserved); !x.failed() && time.Now().Before(deadline); {
		time.Sleep(pause)
	}
	if x.inj.end() == 0 {
		x.t.Errorf("the call was never made:\n%s", x.inj.text())
	}
}

func (x *exam) failed() bool { return strings.Contains(x.inj.text(), "(INJECTED)") }

// endings are the causes in the log, in the order of the endings, without those from before the scene.
func (x *exam) endings() (causes []string) {
	content, _ := os.ReadFile(x.log)
	for text := range strings.Lines(string(content)) {
		var l struct{ Cause string }
		if json.Unmarshal([]byte(text), &l) == nil {
			causes = append(causes, l.Cause)
		}
	}
	return causes[min(x.before, len(causes)):]
}

// established is a client with its server.
func (x *exam) established() *caller {
	x.t.Helper()
	c := call(x.t, loopback(1), x.address)
	c.mustName(x.t)
	c.mustEcho(x.t)
	return c
}

// Every errno of every call that a loop makes ends in what the table says: no other cause, the process alive, the next client served, nothing left open. In short: of each row the first errno with
// one poller, the last with the other.
func TestEveryErrno(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for i := range faults {
			f := &faults[i]
			if f.raw && poller != "raw" {
				continue
			}
			errnos := strings.Fields(f.errnos)
			switch {
			case full:
			case poller == "raw":
				errnos = errnos[:1]
			default:
				errnos = errnos[len(errnos)-1:]
			}
			for _, errno := range errnos {
				t.Run(fmt.Sprintf("%s %s %s %s", f.call, errno, f.when, f.scene), func(t *testing.T) {
					t.Parallel()
					f.examine(t, poller, errno)
				})
			}
		}
	})
}

func (f *fault) examine(t *testing.T, poller, errno string) {
	over := make(chan struct{})
	server := serve(t, "", obeyingLines(over))
	t.Cleanup(func() { close(over) })
	log, scene, cpu := filepath.Join(openDir(t), "log"), scenes[f.scene], firstCPU()
	flags := append([]string{"--loops", "1", "--cpus", fmt.Sprint(cpu), "-l", log, "--log-format", "json"}, scene.flags...)
	b := launch{poller: poller, flags: flags, servers: []string{server.address}}.start(t)
	x := &exam{balancer: b, t: t, fault: f, errno: errno, thread: b.pinned(cpu), log: log}
	if got := scene.play(x); got != f.client {
		t.Errorf("the client sees %s, want %s", got, f.client)
	}
	eventually(t, patience, "the ending is logged", func() bool { return len(x.endings()) > 0 })
	x.disarm()
	if got := x.endings(); !slices.Contains(got, f.cause) {
		t.Errorf("ended as %v, want %s", got, f.cause)
	}
	b.idle += f.lost
	mustVisit(t, loopback(3), b.address)
	eventually(t, leakLimit, "nothing is left open", func() bool { return b.sockets() <= b.idle })
	if t.Failed() {
		t.Log(x.inj.text())
	}
}

// A call that is refused at the start ends it with one line that names what was wanted, and nothing is left behind; or the start does without.
func TestEveryErrnoAtTheStart(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, r := range refusals {
			if r.raw && poller != "raw" {
				continue
			}
			errnos := strings.Fields(r.errnos)
			if !full {
				errnos = errnos[:1]
			}
			for _, errno := range errnos {
				t.Run(r.call+" "+errno, func(t *testing.T) {
					t.Parallel()
					dir, trace := openDir(t), filepath.Join(t.TempDir(), "trace")
					_, servers := serveNamed(t, 1)
					l := launch{poller: poller, listen: filepath.Join(dir, "socket"), servers: servers,
						flags: []string{"--cpus", fmt.Sprint(firstCPU()), "-p", filepath.Join(dir, "pid")},
						under: []string{"strace", "-f", "--seccomp-bpf", "-qq", "-o", trace, "-e", "trace=" + r.call, "-e", fmt.Sprintf("inject=%s:error=%s", r.call, errno)}}
					if r.call == "setsockopt" { // Unix sockets are given no options
						l.listen = closedPort(t)
					}
					if r.starts {
						mustVisit(t, client(1, l.listen), l.start(t).address)
					} else {
						l.flags = append(l.flags, "-C", filepath.Join(dir, "control"))
						code, output := l.run(t, "-f")
						if code != failed || strings.Count(output, "\n") != 1 || !strings.HasPrefix(output, "pen: ") {
							t.Errorf("exit status %d, want %d and one line: %s", code, failed, output)
						}
						if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
							t.Errorf("left behind: %v, %v", left, err)
						}
					}
					if content, err := os.ReadFile(trace); err != nil || !strings.Contains(string(content), "(INJECTED)") {
						t.Errorf("the call was never made: %v", err)
					}
				})
			}
		}
	})
}
