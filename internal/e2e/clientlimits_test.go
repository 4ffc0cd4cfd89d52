package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// turnedAway fails the test unless a client's next connection is reset, before or after it stands.
func turnedAway(t *testing.T, from netip.Addr, to string) {
	t.Helper()
	if name, err := visit(from, to); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v is led to %q, %v; want a reset", from, name, err)
	}
}

// --client-conns: as many of one client are served at once as may be, and not one more, until one ends. Other clients do not notice.
func TestClientConnections(t *testing.T) {
	for name, flags := range map[string][]string{"memory": nil, "roundrobin": {"-r"}} {
		t.Run(name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, poller string) {
				t.Parallel()
				const most = 4
				_, servers := serveNamed(t, 2)
				b := launch{poller: poller, flags: append([]string{"--client-conns", fmt.Sprint(most)}, flags...), servers: servers}.start(t)
				var all []*caller
				for range most {
					c := call(t, loopback(1), b.address)
					c.mustName(t)
					all = append(all, c)
				}
				for i, c := range all {
					turnedAway(t, loopback(1), b.address)
					mustVisit(t, loopback(2), b.address)
					c.mustEcho(t)
					c.Close()
					eventually(t, patience, "another one is served", func() bool {
						next, err := connect(loopback(1), b.address)
						if err != nil {
							return false
						}
						all[i] = &caller{next, bufio.NewReader(next)}
						if _, err = all[i].name(patience); err != nil {
							next.Close()
						}
						return err == nil
					})
				}
				turnedAway(t, loopback(1), b.address)
				for _, c := range all {
					c.mustEcho(t)
					c.Close()
				}
			})
		})
	}
}

// --client-rate: one client that asks ever again is served the burst and then as often as the rate says, to one connection.
func TestClientRate(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		const rate, burst = 20, 40
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"--client-rate", fmt.Sprintf("%d/s:%d", rate, burst)}, servers: servers}.start(t)
		served, refused := 0, 0
		var first, last time.Time
		doubt := time.Duration(0) // how long before the answer pen may have judged the first and the last
		for began := time.Now(); time.Since(began) < 5*time.Second; {
			asked := time.Now()
			_, err := visit(loopback(1), b.address)
			last = time.Now()
			switch {
			case err == nil:
				served++
			case errors.Is(err, syscall.ECONNRESET):
				refused++
			default:
				t.Fatal(err)
			}
			if first.IsZero() {
				first, doubt = last, last.Sub(asked)
			}
			if refused%50 == 1 {
				mustVisit(t, loopback(2), b.address)
			}
			time.Sleep(pause) // the client's pace
		}
		want := burst + rate*last.Sub(first).Seconds()
		if apart := 1.5 + rate*(doubt+10*pause).Seconds(); float64(served) < want-apart || float64(served) > want+apart || refused < 10 {
			t.Errorf("%d served and %d refused in %v, want %.1f served", served, refused, last.Sub(first), want)
		}
		shown(t, "%s: --client-rate %d/s:%d: %d served, %d refused in %v, by the rate %.1f", poller, rate, burst, served, refused, last.Sub(first).Round(time.Millisecond), want)
	})
}

// With --track-prefix the limit is for the network.
func TestClientLimitsHoldForAPrefix(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"--client-conns", "2", "--track-prefix", "24/64"}, servers: servers}.start(t)
		for host := range 2 {
			c := call(t, loopback(host), b.address)
			c.mustName(t)
		}
		turnedAway(t, loopback(2), b.address)
		mustVisit(t, loopback(1<<8), b.address)
	})
}

// --client-limit tarpit: so many are held, without a word and at no cost, so long; more are reset.
func TestTarpit(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		const held = 3 * time.Second
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"--client-conns", "1", "--client-limit", "tarpit", "--tarpit-time", fmt.Sprint(held.Seconds()), "--tarpit-max", "2"}, servers: servers}.start(t)
		inside := call(t, loopback(1), b.address)
		inside.mustName(t)
		began := time.Now()
		var stuck []*caller
		for n := range 2 {
			c := call(t, loopback(1), b.address)
			if _, err := c.Write([]byte("let me in\n")); err != nil {
				t.Fatal(err)
			}
			eventually(t, patience, "it is accepted", func() bool { return b.sockets() == b.idle+2+n+1 })
			stuck = append(stuck, c)
		}
		turnedAway(t, loopback(1), b.address)
		if name, err := stuck[0].name(unserved); !os.IsTimeout(err) {
			t.Errorf("in the tarpit: %q, %v", name, err)
		}
		mustVisit(t, loopback(2), b.address)
		for _, c := range stuck {
			if _, err := c.name(patience); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the tarpit ends with %v, want a reset", err)
			}
		}
		if lasted := time.Since(began); lasted < held-time.Second {
			t.Errorf("held for %v, want %v", lasted, held)
		}
		inside.mustEcho(t)
	})
}

// All of it at run time: the words hold at once, for connections that stand too, and explain tells what the next connection would meet.
func TestClientLimitsAtRunTime(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, addresses := serveNamed(t, 3)
		s := steer(t, poller, true, []string{"-B", addresses[2]}, addresses[:2]...)
		one := loopback(1)
		explains := func(want string) {
			t.Helper()
			if reply := s.do("explain " + one.String()); !strings.Contains(reply, want+"\n") {
				t.Errorf("no %q in\n%s", want, reply)
			}
		}
		var inside []*caller
		for range 2 {
			c := call(t, one, s.address)
			c.mustName(t)
			inside = append(inside, c)
		}
		s.do("client_conns 2")
		explains("limits: the client has 2 live connections and may have 2: it has as many connections as it may")
		explains("answer: nobody: the client has as many connections as it may, and is reset")
		turnedAway(t, one, s.address)
		s.do("client_limit tarpit")
		explains("answer: nobody: the client has as many connections as it may, and is held in the tarpit while there is room, or reset")
		held := call(t, one, s.address)
		if name, err := held.name(unserved); !os.IsTimeout(err) {
			t.Errorf("in the tarpit: %q, %v", name, err)
		}
		held.Close()
		s.do("client_limit abuse")
		explains("answer: the abuse server " + addresses[2] + " at " + addresses[2] + " (abuse)")
		if name := mustVisit(t, one, s.address); name != "c" {
			t.Errorf("over the limit it is led to %s, not to the abuse server", name)
		}
		mustVisit(t, loopback(2), s.address)
		s.do("acl 4 permit " + one.String())
		s.do("client_exempt 4")
		explains(`limits: the limits of clients are not for this one: client_exempt is list 4, line 1, "permit ` + one.String() + ` 255.255.255.255"`)
		if name := mustVisit(t, one, s.address); name == "c" {
			t.Error("an exempt client is led to the abuse server")
		}
		s.do("no client_exempt")
		s.do("client_limit reject")
		s.do("client_conns 0")
		mustVisit(t, one, s.address)
		s.do("client_rate 1/h:1")
		mustVisit(t, one, s.address)
		turnedAway(t, one, s.address)
		explains("answer: nobody: the client makes connections faster than it may, and is reset")
		s.do("client_rate 0")
		mustVisit(t, one, s.address)
		for _, c := range inside {
			c.mustEcho(t)
		}
		closes := s.do("recent-closes")
		for _, cause := range []string{"client_limit", "client_rate"} {
			if !strings.Contains(closes, "cause="+cause) {
				t.Errorf("no %s among the recent closes:\n%s", cause, closes)
			}
		}
		s.logs("client refused")
	})
}
