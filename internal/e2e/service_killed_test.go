package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// backLimit is how long a pen that was killed may take from its start to its first client. It is judged on the quiet machine of the full list only: the start takes 15 to 20 ms of CPU time, which elsewhere
// waits its turn behind other tests.
const backLimit = 100 * time.Millisecond

// Killed under load, with connections open and a pid file, a control socket and a Unix listener left behind, pen is back at once: nothing of that is in its way.
func TestKilledPenIsBackAtOnce(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, kind := range []string{"tcp", "unix"} {
			t.Run(kind, func(t *testing.T) {
				const visitors, held = 4, 50
				rounds := sized(3, 10)
				dir := t.TempDir()
				pidFile, control := filepath.Join(dir, "pid"), filepath.Join(dir, "control")
				_, servers := serveNamed(t, 2)
				l := launch{poller: poller, listen: filepath.Join(dir, "socket"), flags: []string{"-p", pidFile, "-C", control}, servers: servers}
				if kind == "tcp" {
					l.listen = fmt.Sprint("127.0.0.1:", freePort(t))
				}
				over := make(chan struct{})
				var load sync.WaitGroup
				defer load.Wait()
				defer close(over)
				for i := range visitors {
					load.Go(func() {
						for {
							select {
							case <-over:
								return
							case <-time.After(pause):
								_, _ = visit(client(i, l.listen), l.listen) // pen is killed in the midst of some
							}
						}
					})
				}
				b := l.start(t)
				var took []float64
				for range rounds {
					for i := range held {
						call(t, client(i, l.listen), l.listen).mustName(t)
					}
					b.kill()
					began, served := time.Now(), make(chan time.Duration, 1)
					go func() {
						for deadline := began.Add(startLimit); time.Now().Before(deadline); time.Sleep(pause / 4) {
							if _, err := visit(client(held, l.listen), l.listen); err == nil {
								break
							}
						}
						served <- time.Since(began)
					}()
					b = l.start(t)
					took = append(took, (<-served).Seconds()*1e3)
					if pid, err := os.ReadFile(pidFile); err != nil || string(pid) != strconv.Itoa(int(b.process)) {
						t.Errorf("the pid file says %q, %v; pen is %d", pid, err, b.process)
					}
					if reply, err := controlReply(control, "pid"); err != nil || reply != fmt.Sprintln(int(b.process)) {
						t.Errorf("control port: pid %q, %v", reply, err)
					}
				}
				m := median(took)
				shown(t, "%s, %s: killed under load, the next pen serves its first client %.0f ms after its start (median of %d)", kind, poller, m, rounds)
				if full && m > float64(backLimit.Milliseconds()) {
					t.Errorf("%.0f ms, want at most %v: %.0f", m, backLimit, took)
				}
			})
		}
	})
}
