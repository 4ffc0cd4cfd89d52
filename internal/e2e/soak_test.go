//go:build !race

// The race detector keeps memory of its own for everything, so that nothing can be said about pen's.

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// footprint is what a process holds.
type footprint struct {
	sockets, pipes, others int // descriptors
	threads                int
	rss                    int // KiB
}

func (p process) footprint() (f footprint) {
	for _, to := range p.links() {
		switch kind, _, _ := strings.Cut(to, ":"); kind {
		case "socket":
			f.sockets++
		case "pipe":
			f.pipes++
		default:
			f.others++
		}
	}
	f.threads = p.status("Threads")
	f.rss = p.rss()
	return f
}

func (f footprint) String() string {
	return fmt.Sprintf("%d sockets, %d pipe ends, %d other descriptors, %d threads, %.1f MiB RSS", f.sockets, f.pipes, f.others, f.threads, float64(f.rss)/1024)
}

// churn makes n connections of every kind through pen, some at a time: most exchange a line, some carry enough to be spliced, some are reset.
func churn(t *testing.T, address string, n, at int) {
	t.Helper()
	var turns atomic.Int64
	var workers sync.WaitGroup
	for range at {
		workers.Go(func() {
			for {
				i := int(turns.Add(1))
				if i > n || t.Failed() {
					return
				}
				if err := churnOne(i, address); err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
			}
		})
	}
	workers.Wait()
}

// bulk is long enough for a direction to be moved from copying to splicing, in bytes.
const bulk = 1 << 20

func churnOne(i int, address string) error {
	c, err := connect(loopback(i%1000), address)
	if err != nil {
		return err
	}
	defer c.Close()
	word := "line\n"
	if i%50 == 0 {
		word = "bulk\n"
	}
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	if i%100 == 1 {
		reset(c)
		return nil
	}
	got, err := io.Copy(io.Discard, c)
	if err != nil {
		return err
	}
	if want := int64(len(word)); got != want && got != bulk {
		return fmt.Errorf("%d bytes, want %d or %d", got, want, bulk)
	}
	return nil
}

// churnServer answers "line" with a line and "bulk" with bulk bytes, and closes first.
func churnServer(t *testing.T) *server {
	piece := make([]byte, bulk)
	return serve(t, "", func(c conn) error {
		word, err := bufio.NewReaderSize(c, 16).ReadString('\n')
		if err != nil {
			return nil // the client reset
		}
		answer := []byte(word)
		if word == "bulk\n" {
			answer = piece
		}
		_, _ = c.Write(answer)
		return nil
	})
}

// After many connections pen holds what it held before.
func TestNothingLeaks(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const at = 32
		n := sized(15_000, 1_000_000)
		servers := []string{churnServer(t).address, churnServer(t).address, churnServer(t).address}
		b := launch{poller: poller, servers: servers}.start(t)
		settle := func() footprint {
			t.Helper()
			eventually(t, leakLimit, "pen holds no connection", func() bool { return b.sockets() <= b.idle })
			return b.footprint()
		}
		churn(t, b.address, 5_000, at)
		before := settle()
		began := time.Now()
		churn(t, b.address, n, at)
		rate := float64(n) / time.Since(began).Seconds()
		after := settle()
		// Pooled pipes are kept on purpose, no more than were ever in use at once. The heap may breathe by a tenth.
		if after.sockets != before.sockets || after.others != before.others || after.pipes > before.pipes+2*at || after.threads > before.threads+2 || after.rss > before.rss*11/10+2048 {
			t.Errorf("before: %v; after %d connections: %v", before, n, after)
		}
		said := len(b.log.String())
		b.signal(syscall.SIGUSR1)
		for _, server := range servers {
			none := regexp.MustCompile(`server .*address=` + regexp.QuoteMeta(server) + ` .*connections=0 `)
			eventually(t, 5*time.Second, "the statistics say that "+server+" has no connection", func() bool { return none.MatchString(b.log.String()[said:]) })
		}
		shown(t, "%s: before: %v; after %d connections: %v (%.0f connections/s)", poller, before, n, after, rate)
	})
}

// An idle connection costs pen at most half a kilobyte.
func TestIdleConnectionsAreCheap(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const connections, most = 5000, 512 // bytes each
		_, servers := serveNamed(t, 3)
		b := launch{poller: poller, flags: []string{"-x", "6000"}, servers: servers}.start(t)
		for i := range 500 { // what is allocated once is allocated
			mustVisit(t, loopback(i%100), b.address)
		}
		eventually(t, leakLimit, "pen holds no connection", func() bool { return b.sockets() <= b.idle })
		before := b.rss()
		for i := range connections {
			c := call(t, loopback(i%100), b.address)
			c.mustName(t)
		}
		after := b.rss()
		each := (after - before) * 1024 / connections
		if each > most {
			t.Errorf("%d idle connections: RSS %d KiB, %d KiB before: %d bytes each, want at most %d", connections, after, before, each, most)
		}
		shown(t, "%s: %d idle connections: %d bytes of RSS each (%d KiB before, %d KiB then)", poller, connections, each, before, after)
	})
}
