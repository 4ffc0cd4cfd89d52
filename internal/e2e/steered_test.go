package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// steered is a balancer with a control port.
type steered struct {
	*balancer
	control string
	dir     string // where it may read and write
}

// steer starts pen as nobody with a control port: at TCP or, if unix, at a socket in the directory.
func steer(t *testing.T, poller string, unix bool, flags []string, servers ...string) *steered {
	t.Helper()
	s := &steered{dir: openDir(t), control: fmt.Sprint("127.0.0.1:", freePort(t))}
	if unix {
		s.control = filepath.Join(s.dir, "control")
	}
	words := append([]string{"-u", "nobody", "-C", s.control, "--control-files", s.dir}, flags...)
	s.balancer = launch{poller: poller, flags: words, servers: servers}.start(t)
	return s
}

// do sends a command as our penctl does, which must succeed, and returns the reply.
func (s *steered) do(command string) string {
	s.t.Helper()
	code, reply := run(s.t, append([]string{program, "ctl", s.control}, strings.Fields(command)...)...)
	if code != 0 {
		s.t.Fatalf("penctl %s: status %d: %s", command, code, reply)
	}
	return reply
}

// quick is do without a process: for conditions that are looked at again and again.
func (s *steered) quick(command string) string {
	s.t.Helper()
	reply, err := controlReply(s.control, command)
	if err != nil {
		s.t.Fatalf("%s: %v", command, err)
	}
	return reply
}

// logs waits until pen's log has the text.
func (s *steered) logs(text string) {
	s.t.Helper()
	eventually(s.t, patience, fmt.Sprintf("pen logs %q", text), func() bool { return strings.Contains(s.log.String(), text) })
}

// traffic is clients that come again and again, one connection each at a time. Whoever is not served fails the test.
type traffic struct {
	t    *testing.T
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	visits  [][]string    // guarded by mu: by client, where it went
	slowest time.Duration // guarded by mu
}

func startTraffic(t *testing.T, to string, clients int) *traffic {
	tr := &traffic{t: t, stop: make(chan struct{}), visits: make([][]string, clients)}
	for i := range clients {
		tr.done.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				began := time.Now()
				name, err := visit(client(100+i, to), to)
				if err != nil {
					t.Errorf("client %d is not served: %v", i, err)
					return
				}
				tr.mu.Lock()
				tr.visits[i] = append(tr.visits[i], name)
				tr.slowest = max(tr.slowest, time.Since(began))
				tr.mu.Unlock()
				select {
				case <-tr.stop:
					return
				case <-tick.C:
				}
			}
		})
	}
	t.Cleanup(tr.end)
	return tr
}

// end stops the clients. It may be called again.
func (tr *traffic) end() {
	select {
	case <-tr.stop:
	default:
		close(tr.stop)
	}
	tr.done.Wait()
}

// now is how many visits each client has made.
func (tr *traffic) now() (counts []int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, v := range tr.visits {
		counts = append(counts, len(v))
	}
	return counts
}

// goesOn waits until every client has come n times more, or the test has failed.
func (tr *traffic) goesOn(n int) {
	tr.t.Helper()
	before := tr.now()
	eventually(tr.t, patience, "every client has come again", func() bool {
		for i, count := range tr.now() {
			if count < before[i]+n {
				return tr.t.Failed()
			}
		}
		return true
	})
}

// since is where the clients have been, each name once, after so many visits.
func (tr *traffic) since(counts []int) (all [][]string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i, v := range tr.visits {
		names := slices.Clone(v[counts[i]:])
		slices.Sort(names)
		all = append(all, slices.Compact(names))
	}
	return all
}
