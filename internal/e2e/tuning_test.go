package e2e

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Every way to spread and tune the loops serves the same clients in the same manner.
func TestTuningFlagsServe(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 3)
		for _, flags := range []string{
			"--loops 1", "--loops 3", "--send-batch off", "--reuse-sockets on", "--cpus auto", "--steer cpu", "--steer client", "--loops 3 --steer client", "--nagle", "--keepalive 0 --user-timeout 0",
			"-m 1", "-q 1", "-m 0", "--pipes 1 --splice always", "--pipe-size 4k --splice always", "-c 1", "-d -d",
		} {
			t.Run(flags, func(t *testing.T) {
				t.Parallel()
				b := launch{poller: poller, flags: strings.Fields(flags), servers: servers}.start(t)
				for i := range 60 {
					home := mustVisit(t, loopback(i%20), b.address)
					if again := mustVisit(t, loopback(i%20), b.address); again != home {
						t.Errorf("client %d moved from %q to %q", i%20, home, again)
					}
				}
				echo := call(t, loopback(1), b.address)
				echo.mustName(t)
				echo.mustEcho(t)
			})
		}
	})
}

// -m and -q below what makes sense are raised, with Pen's notices.
func TestBumpedFlagsSaySo(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		b := launch{poller: poller, flags: []string{"-m", "0", "-q", "1"}, servers: servers}.start(t)
		for _, notice := range []string{"multi_accept bumped to 1", "listen_queue bumped to 50"} {
			eventually(t, startLimit, "the log says "+notice, func() bool { return strings.Contains(b.log.String(), notice) })
		}
	})
}

// --cpus pins one thread to each CPU named; without it no thread is pinned.
func TestCPUsArePinned(t *testing.T) {
	pinned := func(p process) map[string]int {
		seen := map[string]int{}
		tasks, _ := filepath.Glob(p.path("task/*"))
		for _, task := range tasks {
			tid, _ := strconv.Atoi(filepath.Base(task))
			if list := process(tid).statusText("Cpus_allowed_list"); !strings.ContainsAny(list, "-,") {
				seen[list]++
			}
		}
		return seen
	}
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		b := launch{poller: poller, flags: []string{"--cpus", "auto"}, servers: servers}.start(t)
		mustVisit(t, loopback(1), b.address)
		if seen := pinned(b.process); len(seen) != runtime.NumCPU() {
			t.Errorf("--cpus auto: threads pinned by CPU: %v, want one on each of %d", seen, runtime.NumCPU())
		}
		free := launch{poller: poller, servers: servers}.start(t)
		mustVisit(t, loopback(1), free.address)
		if seen := pinned(free.process); len(seen) != 0 && runtime.NumCPU() > 1 {
			t.Errorf("without --cpus: threads pinned by CPU: %v", seen)
		}
	})
}
