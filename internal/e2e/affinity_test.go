package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every client stays on its server while the servers are up, however many there are and however often they come.
func TestClientsStayOnTheirServer(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := startNginxes(t, 3)
		b := launch{poller: poller, flags: []string{"--check", "tcp"}, servers: servers}.start(t)
		const clients, at = 1000, 32
		connections := sized(10_000, 100_000)
		began := time.Now()
		c := newCrowd(b.address, clients, at)
		c.visit(connections)
		if late := c.failures(time.Time{}); len(late) > 0 {
			t.Fatalf("%d of %d connections failed, first: %v", len(late), connections, late[0])
		}
		if n := c.strays(""); n > 0 {
			t.Errorf("%d visits were not at home", n)
		}
		c.mustBeEven(t, len(servers))
		shown(t, "%s: %d connections from %d addresses, %d at a time, over %d nginx: 0 errors, 0 changes of server, %.0f connections/s",
			poller, connections, clients, at, len(servers), float64(connections)/time.Since(began).Seconds())
	})
}

// One of three servers is killed under load and comes back: no error but for connections already established to it; nobody else moves; its clients go home.
func TestServerDiesAndReturns(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		nginxes, servers := startNginxes(t, 3)
		b := launch{poller: poller, flags: []string{"--check", "tcp", "--check-interval", "1"}, servers: servers}.start(t)
		const clients, at = 1000, 32
		phase := int64(sized(3_000, 35_000)) // connections before the kill, without the server, and after its return
		c := newCrowd(b.address, clients, at)
		c.visit(clients)
		running := make(chan struct{})
		workers := c.work(func() bool {
			select {
			case <-running:
				return false
			default:
				return true
			}
		})
		stop := sync.OnceFunc(func() { close(running); workers.Wait() })
		defer stop()
		more := func(n int64, what string) {
			t.Helper()
			to := c.turns.Load() + n
			eventually(t, 5*time.Minute, what, func() bool { return c.turns.Load() >= to })
		}
		more(phase, "connections before the kill")
		dead := nginxes[1]
		dead.kill()
		gone := time.Now()
		more(phase, "connections without the server")
		if away, home := c.away(dead.name); away != home {
			t.Errorf("%d of the dead server's %d clients still seem to be served by it", home-away, home)
		}
		dead.start()
		back := time.Now()
		eventually(t, time.Minute, "the returned server's clients are back home", func() bool {
			away, _ := c.away(dead.name)
			return away == 0
		})
		homecoming := time.Since(back)
		more(phase, "connections after the return")
		stop()

		if late := c.failures(gone); len(late) > 0 {
			t.Errorf("%d connections failed after the server was gone, first: %v", len(late), late[0])
		}
		early := len(c.failures(time.Time{}))
		if early > at {
			t.Errorf("%d connections failed, more than the %d that can have been open when the server was killed", early, at)
		}
		if n := c.strays(dead.name); n > 0 {
			t.Errorf("%d visits by clients of the living servers were not at home", n)
		}
		if away, _ := c.away(""); away > 0 {
			t.Errorf("%d clients are not at home at the end", away)
		}
		c.mustBeEven(t, len(servers))
		shown(t, "%s: one of 3 nginx killed and restarted within %d connections: %d errors, all on connections open at the kill; 0 errors after; its clients all home %.1f s after its return",
			poller, c.turns.Load(), early, homecoming.Seconds())
	})
}

// -c 1000 and 1001 clients in order: exactly the least recently used one is forgotten. Round robin makes it visible: a client that is forgotten gets the next server in
// the cycle, and the counts are such that this is never the one it had.
func TestExactlyTheLeastRecentlyUsedIsForgotten(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const slots = 1000
		_, servers := serveNamed(t, 3)
		b := launch{poller: poller, flags: []string{"-c", fmt.Sprint(slots)}, servers: servers}.start(t)
		home := make([]string, slots+1)
		for i := range home {
			home[i] = mustVisit(t, loopback(i), b.address)
			if i >= 3 && home[i] != home[i-3] {
				t.Fatalf("new client %d gets %q, not the next server in the cycle %v", i, home[i], home[:3])
			}
		}
		// Client slots made client 0 go. To all others this round is a visit home, which gives no slot away.
		for i := 1; i < len(home); i++ {
			if got := mustVisit(t, loopback(i), b.address); got != home[i] {
				t.Fatalf("client %d of %d is forgotten: %q, at home on %q", i, slots, got, home[i])
			}
		}
		// Each forgotten client that returns takes the slot of the one that was least recently here: 0 that of 1, 1 that of 2, and so on.
		for i := range 7 {
			next := home[(slots+1+i)%3]
			if got := mustVisit(t, loopback(i), b.address); got == home[i] || got != next {
				t.Fatalf("client %d gets %q, home was %q: it should be forgotten and get %q", i, got, home[i], next)
			}
		}
		if got := mustVisit(t, loopback(slots), b.address); got != home[slots] {
			t.Errorf("the most recently used client is forgotten")
		}
		shown(t, "%s: -c %d and %d clients in order: client 0 and no other was forgotten", poller, slots, slots+1)
	})
}

// PEN.md B5: -T really forgets, also a client whose slot nobody took.
func TestTrackingTimeForgets(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 3)
		b := launch{poller: poller, flags: []string{"-T", "1"}, servers: servers}.start(t)
		home := mustVisit(t, loopback(1), b.address)
		if again := mustVisit(t, loopback(1), b.address); again != home {
			t.Fatalf("client moved from %q to %q at once", home, again)
		}
		time.Sleep(2100 * time.Millisecond) // the tracking time, with whole seconds rounded either way: to pass is what is tested
		if got := mustVisit(t, loopback(1), b.address); got == home {
			t.Errorf("client is still remembered on %q after its tracking time", home)
		}
	})
}

// --track-prefix: the addresses of one network are one client.
func TestTrackedPrefixIsOneClient(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 3)
		b := launch{poller: poller, flags: []string{"--track-prefix", "24/64"}, servers: servers}.start(t)
		homes := map[string]bool{}
		for network := range 3 {
			home := mustVisit(t, loopback(network<<8), b.address)
			homes[home] = true
			for host := range 10 {
				if got := mustVisit(t, loopback(network<<8+host), b.address); got != home {
					t.Errorf("%v is on %q, its network on %q", loopback(network<<8+host), got, home)
				}
			}
		}
		if len(homes) != 3 {
			t.Errorf("three networks have homes %v, want three", homes)
		}
	})
}

// -r does without the memory; -W gives shares by weight; -h sends an address to the same server whatever was before.
func TestOtherWaysToChoose(t *testing.T) {
	spread := func(t *testing.T, address string, visits int, client func(i int) int) string {
		t.Helper()
		var order strings.Builder
		for i := range visits {
			order.WriteString(mustVisit(t, loopback(client(i)), address))
		}
		return order.String()
	}
	one := func(int) int { return 1 }
	each := func(i int) int { return i }
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 3)
		t.Run("round robin", func(t *testing.T) {
			b := launch{poller: poller, flags: []string{"-r"}, servers: servers}.start(t)
			order := spread(t, b.address, 9, one)
			if order[:3] == "aaa" || order != strings.Repeat(order[:3], 3) {
				t.Errorf("one client's visits go to %s, want a cycle over three servers", order)
			}
		})
		t.Run("hash", func(t *testing.T) {
			order := make([]string, 2)
			for run := range order { // two runs that share no memory
				b := launch{poller: poller, flags: []string{"-h"}, servers: servers}.start(t)
				order[run] = spread(t, b.address, 60, each)
			}
			if order[0] != order[1] {
				t.Errorf("the same addresses go to %s and then to %s", order[0], order[1])
			}
			for _, name := range []string{"a", "b", "c"} { // PEN.md B12: not by the first octet alone
				if n := strings.Count(order[0], name); n < 5 {
					t.Errorf("%d of 60 addresses go to %s", n, name)
				}
			}
		})
		t.Run("weight", func(t *testing.T) {
			weighted := []string{servers[0] + ":0:0:1", servers[1] + ":0:0:3", servers[2] + ":0:0:0"}
			b := launch{poller: poller, flags: []string{"-W"}, servers: weighted}.start(t)
			seen := map[string]int{}
			for i := range 40 { // held open: weight counts live connections
				seen[call(t, loopback(i), b.address).mustName(t)]++
			}
			if seen["a"] < 9 || seen["a"] > 11 || seen["a"]+seen["b"] != 40 {
				t.Errorf("40 connections over weights 1, 3 and 0 are %v, want about 10 on a, the others on b", seen)
			}
		})
		t.Run("least connections", func(t *testing.T) {
			b := launch{poller: poller, flags: []string{"--least-conn"}, servers: servers}.start(t)
			seen := map[string]int{}
			for i := range 30 {
				seen[call(t, loopback(i), b.address).mustName(t)]++
			}
			if seen["a"] != 10 || seen["b"] != 10 || seen["c"] != 10 {
				t.Errorf("30 held connections are %v, want 10 each", seen)
			}
		})
		t.Run("prio", func(t *testing.T) {
			ranked := []string{servers[0] + ":0:0:0:2", servers[1] + ":0:0:0:1", servers[2] + ":0:0:0:3"}
			b := launch{poller: poller, flags: []string{"--prio"}, servers: ranked}.start(t)
			if order := spread(t, b.address, 5, each); order != "bbbbb" {
				t.Errorf("clients go to %s, want all to b, which has the lowest prio", order)
			}
		})
	})
}
