package e2e

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// refusedSoon waits until a new client is turned away.
func refusedSoon(t *testing.T, address string) {
	t.Helper()
	eventually(t, 5*time.Second, "new connections are refused", func() bool {
		c, err := connect(client(1, address), address)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// TERM and INT let what is under way finish: a transfer runs to its end, byte-exact, while new clients are refused; then pen ends with status 0.
func TestStopDrains(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(s.String(), func(t *testing.T) {
				stopping := make(chan struct{}) // pen has had the signal and refuses new clients
				halfway := make(chan struct{})
				o := order{Seed: 9, Down: 8 << 20}
				deliver := func(c conn) error {
					whole := stream(^o.Seed, o.Down)
					if _, err := io.CopyN(c, whole, o.Down/2); err != nil {
						return err
					}
					close(halfway)
					<-stopping
					_, err := io.Copy(c, whole)
					return err
				}
				var first sync.Once // those after it are refusedSoon's
				server := serve(t, "", func(c conn) (err error) {
					first.Do(func() { err = deliver(c) })
					return err
				})
				b := launch{poller: poller, flags: []string{"--drain", "30"}, servers: []string{server.address}}.start(t)
				c, err := connect(loopback(2), b.address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				done := make(chan error, 1)
				go func() { done <- o.receiveDown(c) }()
				<-halfway
				b.signal(s)
				refusedSoon(t, b.address)
				close(stopping)
				if err := <-done; err != nil {
					t.Errorf("the transfer under way: %v", err)
				}
				c.Close()
				if code := b.wait(stopLimit); code != 0 {
					t.Errorf("exit status %d, want 0", code)
				}
			})
		}
	})
}

// What has not ended by the drain time is closed.
func TestDrainHasAnEnd(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 1)
		b := launch{poller: poller, flags: []string{"--drain", "3"}, servers: servers}.start(t)
		c := call(t, loopback(1), b.address)
		c.mustName(t)
		began := time.Now()
		b.signal(syscall.SIGTERM)
		refusedSoon(t, b.address)
		c.mustEcho(t)
		c.mustEnd(t, patience)
		if code := b.wait(stopLimit); code != 0 {
			t.Errorf("exit status %d, want 0", code)
		}
		if took := time.Since(began); took < 2900*time.Millisecond || took > 6*time.Second {
			t.Errorf("the drain took %v, want 3 s", took)
		}
	})
}

// A second signal closes everything at once.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		for _, first := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			b := launch{poller: poller, flags: []string{"--drain", "600"}, servers: servers}.start(t)
			c := call(t, loopback(1), b.address)
			c.mustName(t)
			b.signal(first)
			refusedSoon(t, b.address)
			c.mustEcho(t)
			b.signal(syscall.SIGTERM)
			c.mustEnd(t, 5*time.Second)
			if code := b.wait(5 * time.Second); code != 0 {
				t.Errorf("exit status %d, want 0", code)
			}
		}
	})
}

// With no connection open there is nothing to wait for.
func TestStopWithoutClientsIsImmediate(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		b := launch{poller: poller, flags: []string{"--drain", "600", "--check", "tcp"}, servers: servers}.start(t)
		mustVisit(t, loopback(1), b.address)
		eventually(t, leakLimit, "the visit is over", func() bool { return b.sockets() <= b.idle })
		b.signal(syscall.SIGTERM)
		if code := b.wait(5 * time.Second); code != 0 {
			t.Errorf("exit status %d, want 0", code)
		}
	})
}

// kill -9, with clients connected and on: the next start finds nothing in its way, on the same port or the same Unix socket.
func TestRestartAfterKill(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		for _, listen := range []string{closedPort(t), t.TempDir() + "/socket"} {
			l := launch{poller: poller, listen: listen, servers: servers}
			for range 3 {
				b := l.start(t)
				for i := range 10 {
					call(t, client(i, listen), listen).mustName(t)
				}
				b.kill()
			}
			b := l.start(t)
			mustVisit(t, client(1, listen), listen)
			b.finish()
		}
	})
}

// USR1 writes statistics to the log: at least each server with its address.
func TestUSR1LogsStatistics(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, servers: servers}.start(t)
		mustVisit(t, netip.Addr{}, b.address)
		before := len(b.log.String())
		b.signal(syscall.SIGUSR1)
		for _, server := range servers {
			eventually(t, 5*time.Second, "the statistics name server "+server, func() bool {
				return strings.Contains(b.log.String()[before:], server)
			})
		}
		mustVisit(t, netip.Addr{}, b.address)
	})
}
