package e2e

import (
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bound is what pen has said at its start that its memory is at most, KiB.
func (b *balancer) bound() int {
	b.t.Helper()
	said := regexp.MustCompile(`memory at most ([0-9.]+) ([MG])iB`).FindStringSubmatch(b.log.String())
	if said == nil {
		b.t.Fatalf("the plan has no bound of memory:\n%s", b.log.tail())
	}
	n, err := strconv.ParseFloat(said[1], 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return int(n * map[string]float64{"M": 1 << 10, "G": 1 << 20}[said[2]])
}

// Connections that stall both ways, as many as -x allows and ten seconds bring, each with as much in hand as pen takes: the memory stays inside what the start-up plan said.
func TestMemoryStaysInsideThePrintedBound(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const patienceOfAll = 10 * time.Second
		conns := sized(200, 400)     // no more: the kernel's own share of each is some hundred KiB, and all of its is net.ipv4.tcp_mem
		shrink := func(fd uintptr) { // what the kernel holds is not what is measured
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 128<<10)
		}
		flood := func(c conn) { // until nothing is taken any more
			chunk := make([]byte, 64<<10)
			for {
				_ = c.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}
		over := make(chan struct{})
		end := sync.OnceFunc(func() { close(over) })
		var stalled atomic.Int32 // servers that nothing is taken from any more
		s := serve(t, "", func(c conn) error {
			if raw, err := c.SyscallConn(); err == nil {
				_ = raw.Control(shrink)
			}
			flood(c)
			stalled.Add(1)
			<-over
			return nil
		})
		t.Cleanup(end) // also if the test gives up: the servers are waited for
		b := steer(t, poller, true, []string{"-x", strconv.Itoa(conns), "--splice", "never", "--user-timeout", "0"}, s.address)
		before := b.rss()
		var clients sync.WaitGroup
		opened := 0
		for began := time.Now(); opened < conns && time.Since(began) < patienceOfAll; opened++ {
			c := call(t, loopback(opened), b.address)
			raw, err := c.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			_ = raw.Control(shrink)
			clients.Go(func() { flood(c.conn) })
		}
		clients.Wait()
		eventually(t, patience, "both directions of every connection have stalled", func() bool { return int(stalled.Load()) == opened })
		most, bound := 0, b.bound()
		for range 20 {
			most = max(most, b.rss())
			time.Sleep(20 * time.Millisecond) // samples of a figure
		}
		b.do("stall_timeout 1") // the kernel does not tell of every reset of a connection both of whose windows are shut
		end()
		shown(t, "%s: %d connections stalled both ways: %d KiB, %d before, the plan says at most %d", t.Name(), opened, most, before, bound)
		if most > bound && !raceDetector {
			t.Errorf("%d connections take %d KiB, the plan said %d", opened, most, bound)
		}
	})
}
