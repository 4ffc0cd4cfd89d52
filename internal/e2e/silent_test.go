package e2e

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// remembers waits until recent-closes names a cause, and returns how long that took.
func (s *steered) remembers(cause string, limit time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	eventually(s.t, limit, "recent-closes has cause="+cause, func() bool { return strings.Contains(s.quick("recent-closes"), "cause="+cause+" ") })
	return time.Since(began)
}

// A slow loris says a byte a second, which keeps the idle timeout away for ever: its lifetime ends it. One that says nothing at all is ended by the first-byte timeout. Who is neither stays.
func TestSlowLoris(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 1)
		s := steer(t, poller, true, []string{"--idle-timeout", "2", "--first-byte-timeout", "1", "--lifetime", "4"}, servers...)
		mute, loris := call(t, loopback(1), s.address), call(t, loopback(2), s.address)
		mute.mustName(t)
		loris.mustName(t)
		stop, stopped := make(chan bool), make(chan bool)
		go func() {
			defer close(stopped)
			for {
				if _, err := io.WriteString(loris, "x"); err != nil {
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(500 * time.Millisecond): // its pace
				}
			}
		}()
		if took := s.remembers("first_byte", patience); took > 3*time.Second {
			t.Errorf("a mute client was let go after %v, the limit is 1 s", took)
		}
		mute.mustEnd(t, patience)
		began := time.Now()
		s.remembers("lifetime", patience)
		shown(t, "%s: a slow loris is let go by its lifetime, %v after a mute client by the first byte's", poller, time.Since(began).Round(100*time.Millisecond))
		close(stop)
		<-stopped
		if text := s.do("recent-closes"); strings.Contains(text, "cause=idle") {
			t.Errorf("somebody was taken for idle:\n%s", text)
		}
	})
}

// One side has ended and the other neither says anything nor ends, in either order.
func TestHalfClosedTimeout(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, first := range []string{"client", "server"} {
			t.Run("the "+first+" ends", func(t *testing.T) {
				t.Parallel()
				over := make(chan struct{})
				server := serve(t, "", func(c conn) error {
					_, err := io.WriteString(c, "here\n")
					if first == "server" {
						err = errors.Join(err, c.CloseWrite())
					}
					<-over
					return err
				})
				defer close(over)
				s := steer(t, poller, true, []string{"--half-closed-timeout", "1"}, server.address)
				c := call(t, loopback(1), s.address)
				c.mustName(t)
				if first == "client" {
					if err := c.CloseWrite(); err != nil {
						t.Fatal(err)
					}
				}
				if took := s.remembers("half_closed", patience); took < 800*time.Millisecond {
					t.Errorf("let go after %v, the limit is 1 s", took)
				}
			})
		}
	})
}

// A client that stops reading a large answer, and a server that stops reading an upload: each is told by RST and named as what it is, and so is the other side of a transfer that went nowhere.
func TestStalledTransfers(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, splice := range []string{"always", "never"} {
			for _, stalled := range []string{"client", "server"} {
				t.Run(splice+" "+stalled, func(t *testing.T) {
					t.Parallel()
					flood := make([]byte, 64<<20) // more than all the buffers on the way will hold
					over, sent := make(chan struct{}), make(chan error, 1)
					server := serve(t, "", func(c conn) error {
						if stalled == "client" {
							_, err := c.Write(flood)
							sent <- err
						}
						<-over
						return nil
					})
					defer close(over)
					s := steer(t, poller, true, []string{"--splice", splice, "--stall-timeout", "1", "--user-timeout", "0"}, server.address)
					c, err := connect(loopback(1), s.address)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if stalled == "server" {
						_, err := c.Write(flood)
						sent <- err
					}
					s.remembers(stalled+"_stalled", patience)
					if err := <-sent; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
						t.Errorf("the side that sent was told %v, want a reset", err)
					}
					eventually(t, leakLimit, "nothing is left of it", func() bool { return s.sockets() == s.idle })
				})
			}
		}
	})
}

// What the kernel does about a peer that is alive, acknowledges, and keeps its window shut, with TCP_USER_TIMEOUT below and above our own limit: the earlier of the two ends it.
func TestShutWindowAndUserTimeout(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, limits := range []struct{ user, stall, cause string }{{"2", "30", "client_lost"}, {"30", "2", "client_stalled"}} {
			t.Run(fmt.Sprint(limits), func(t *testing.T) {
				t.Parallel()
				server := serve(t, "", func(c conn) error { _, _ = c.Write(make([]byte, 64<<20)); return nil })
				s := steer(t, poller, true, []string{"--user-timeout", limits.user, "--stall-timeout", limits.stall}, server.address)
				c, err := connect(loopback(1), s.address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				took := s.remembers(limits.cause, 2*patience)
				shown(t, "%s: a client with a shut window, --user-timeout %s --stall-timeout %s: %s after %.1f s", poller, limits.user, limits.stall, limits.cause, took.Seconds())
			})
		}
	})
}

// --accept-rate over two loops: so many connections a second over three seconds, within a tenth; those beyond wait, at no cost, and all are served.
func TestAcceptRate(t *testing.T) {
	const rate, seconds = 50, 3
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		s := steer(t, poller, true, []string{"--loops", "2", "--accept-rate", fmt.Sprint(rate)}, servers...)
		const burst, crowd = rate / 10, rate*seconds + rate/10
		began := time.Now()
		var clients []*caller
		for i := range crowd {
			clients = append(clients, call(t, loopback(i), s.address))
		}
		var mu sync.Mutex
		var at []time.Duration // when each was served
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				if _, err := c.name(patience); err != nil {
					t.Errorf("a client was not served: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Since(began))
			})
		}
		all.Wait()
		if len(at) != crowd {
			t.Fatalf("%d of %d clients were served", len(at), crowd)
		}
		took := at[crowd-1]
		if took < seconds*time.Second*9/10 || took > seconds*time.Second*11/10 {
			t.Errorf("%d clients at %d a second took %v, want %d s within a tenth", crowd, rate, took, seconds)
		}
		shown(t, "%s: %d clients at once, --accept-rate %d, two loops: served within %.2f s, %d in the first half second", poller, crowd, rate, took.Seconds(), early(at, time.Second/2))
		s.logs("accept rate reached, clients wait")
		if reply := s.do("accept_rate 1"); reply != "1:1\n" {
			t.Errorf("accept_rate 1: %q", reply)
		}
		var waiting []*caller
		for i := range 20 {
			waiting = append(waiting, call(t, loopback(crowd+i), s.address))
		}
		const resting = 0.03 // one of them is let in each second, and a connection's first second has a timer
		quiet(t, s.balancer, "with clients that wait for the accept rate", resting)
		if reply := s.do("accept_rate 0"); reply != "0\n" {
			t.Errorf("accept_rate 0: %q", reply)
		}
		for _, c := range waiting {
			c.mustName(t)
		}
	})
}

// early is how many came before a moment.
func early(at []time.Duration, before time.Duration) (n int) {
	for _, a := range at {
		if a < before {
			n++
		}
	}
	return n
}
