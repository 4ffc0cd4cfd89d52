package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// unserved is how long a client is watched that must not be served yet.
const unserved = 300 * time.Millisecond

// atRest is the part of a CPU that pen may use when it has nothing to do.
const atRest = 0.01

// quiet fails the test if pen uses more than that part of a CPU over two seconds. What has just been busy may take a moment to come to rest, so it gets three windows;
// what spins, or wakes too often, fails in all of them.
func quiet(t *testing.T, b *balancer, when string, most float64) {
	t.Helper()
	const window, windows = 2 * time.Second, 3
	var used float64
	for range windows {
		before := b.busy()
		time.Sleep(window) // the measured time itself
		if used = (b.busy() - before).Seconds() / window.Seconds(); used <= most {
			shown(t, "%s: %s: %.2f %% of a CPU over %v", t.Name(), when, 100*used, window)
			return
		}
	}
	t.Errorf("%s: pen uses %.2f %% of a CPU over %v, want at most %.0f %%", when, 100*used, window, 100*most)
}

// An idle balancer uses no CPU, before its first client and while clients are connected that say nothing.
func TestIdleBalancerUsesNoCPU(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, servers: servers}.start(t)
		quiet(t, b, "before the first client", atRest)
		for i := range 20 {
			call(t, loopback(i), b.address).mustName(t)
		}
		quiet(t, b, "with 20 silent clients", atRest)
	})
}

// -x: clients beyond the limit wait, cost nothing while they do, and are served as others end.
func TestConnectionLimit(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"-x", "4"}, servers: servers}.start(t)
		var inside, waiting []*caller
		for i := range 4 {
			c := call(t, loopback(i), b.address)
			c.mustName(t)
			inside = append(inside, c)
		}
		for i := range 4 {
			waiting = append(waiting, call(t, loopback(10+i), b.address))
		}
		if name, err := waiting[0].name(unserved); err == nil {
			t.Fatalf("a fifth client is served by %q", name)
		}
		quiet(t, b, "with four clients waiting", atRest)
		for i, c := range inside {
			c.mustEcho(t)
			c.Close()
			// Which of those that wait is next is the kernel's choice: their loops have queues of their own.
			var now []*caller
			eventually(t, 10*time.Second, "another client is served", func() bool { now, _ = served(waiting); return len(now) > i })
			if len(now) != i+1 {
				t.Errorf("%d of four ended, %d others are served", i+1, len(now))
			}
		}
	})
}

// served tells the clients to whom something has been sent, which is left unread, from those that have been turned away.
func served(clients []*caller) (now, gone []*caller) {
	for _, c := range clients {
		_ = c.SetReadDeadline(time.Now().Add(pause))
		switch _, err := c.lines.Peek(1); {
		case err == nil:
			now = append(now, c)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			gone = append(gone, c)
		}
	}
	return now, gone
}

// A server's soft limit sends new clients elsewhere; its own clients may come up to the hard limit.
func TestSoftAndHardLimit(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, servers: []string{servers[0] + ":2:3", servers[1]}}.start(t)
		var home netip.Addr // a client of the limited server
		held := 0
		for i := 0; held < 2; i++ {
			c := call(t, loopback(i), b.address)
			if c.mustName(t) == "a" {
				home, held = loopback(i), held+1
			}
		}
		for i := range 10 {
			if got := call(t, loopback(100+i), b.address).mustName(t); got != "b" {
				t.Errorf("new client %d is served by %q, which is at its soft limit", i, got)
			}
		}
		third := call(t, home, b.address)
		if got := third.mustName(t); got != "a" {
			t.Errorf("the server's own client is sent to %q below the hard limit", got)
		}
		if got := call(t, home, b.address).mustName(t); got != "b" {
			t.Errorf("the server's own client is served by %q, which is at its hard limit", got)
		}
		third.Close()
		eventually(t, 10*time.Second, "the server's own client is back when a connection has ended", func() bool {
			return mustVisit(t, home, b.address) == "a"
		})
	})
}

// With 64 descriptors from the start: pen knows what fits, serves that, waits at no cost, and serves the others as descriptors return. No client sees an error.
func TestFewDescriptors(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, servers: servers, under: []string{"sh", "-c", `ulimit -n 64; exec "$0" "$@"`}}.start(t)
		if gone := serveInTurns(t, b, "with 64 descriptors", atRest); gone > 0 {
			t.Errorf("%d clients, who were to wait, were turned away", gone)
		}
	})
}

// The limit falls while pen runs, below what it has reckoned with: accept itself comes back for want of descriptors. Loops compete for those that return,
// so that a client may be accepted with the last one and find none left for its server; that must stay the exception.
func TestDescriptorsRunOut(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, servers: servers}.start(t)
		limit := fmt.Sprintf("--nofile=%d:", len(b.links())+40)
		if code, output := run(t, "prlimit", "--pid", strconv.Itoa(int(b.process)), limit); code != 0 {
			t.Fatalf("prlimit: %s", output)
		}
		const looking = 0.05 // each loop looks ten times a second whether there are descriptors again
		if gone := serveInTurns(t, b, "out of descriptors", looking); gone > 5 {
			t.Errorf("%d of %d clients were turned away", gone, crowded)
		}
	})
}

// crowded is more clients than there are descriptors for.
const crowded = 100

// serveInTurns brings the clients, and ends those that are served until all have been. It returns how many have been turned away.
func serveInTurns(t *testing.T, b *balancer, when string, most float64) (turnedAway int) {
	t.Helper()
	var waiting, now, gone []*caller
	for i := range crowded {
		waiting = append(waiting, call(t, loopback(i), b.address))
	}
	eventually(t, 10*time.Second, "some clients are served", func() bool { now, _ = served(waiting); return len(now) >= 10 })
	quiet(t, b, when, most)
	now, _ = served(waiting)
	fit := len(now)
	if fit == crowded {
		t.Fatalf("%d clients are served at once: the limit was not in force", crowded)
	}
	for len(waiting) > 0 {
		eventually(t, 20*time.Second, "clients are served when descriptors return", func() bool { now, gone = served(waiting); return len(now)+len(gone) > 0 })
		for _, c := range now {
			c.mustName(t)
			c.mustEcho(t)
			c.Close()
		}
		turnedAway += len(gone)
		waiting = slices.DeleteFunc(waiting, func(c *caller) bool { return slices.Contains(now, c) || slices.Contains(gone, c) })
	}
	shown(t, "%s: %d of %d clients served at once, the others as descriptors returned; %d turned away", t.Name(), fit, crowded, turnedAway)
	return turnedAway
}
