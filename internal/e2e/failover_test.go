package e2e

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// blackHole is an address of 127.0.0.1 where connecting never ends: a listener that accepts nothing and whose queue is full, so that the kernel drops further SYNs.
func blackHole(t *testing.T) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tcp := func() int {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		must(err)
		t.Cleanup(func() { syscall.Close(fd) })
		return fd
	}
	at := &syscall.SockaddrInet4{Port: freePort(t), Addr: [4]byte{127, 0, 0, 1}}
	listener := tcp()
	must(syscall.Bind(listener, at))
	must(syscall.Listen(listener, 0))
	for range 8 { // a queue of length 0 takes one; the others are there to be sure
		if err := syscall.Connect(tcp(), at); err != syscall.EINPROGRESS {
			must(err)
		}
	}
	return fmt.Sprint("127.0.0.1:", at.Port)
}

// closedPort is an address of 127.0.0.1 where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", freePort(t))
}

// A server that does not answer costs a client the connect timeout and no more; the next clients do not even pay that.
func TestSilentServerFailsOver(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, good := serveNamed(t, 1)
		const timeout = 500 * time.Millisecond
		b := launch{poller: poller, flags: []string{"-t", "0.5"}, servers: []string{blackHole(t), good[0]}}.start(t)
		waited := 0
		for i := range 6 {
			began := time.Now()
			mustVisit(t, loopback(i), b.address)
			took := time.Since(began)
			if took > timeout+2*time.Second {
				t.Errorf("client %d waited %v", i, took)
			}
			if took >= timeout {
				waited++
			}
		}
		if waited != 1 {
			t.Errorf("%d clients waited for the connect timeout, want the first that met the silent server", waited)
		}
	})
}

// PEN.md B1: a refused server gave the client an immediate end instead of another server.
func TestB1RefusedServerFailsOver(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, good := serveNamed(t, 1)
		servers := []string{closedPort(t), closedPort(t), good[0], closedPort(t), "/nonexistent/socket"}
		b := launch{poller: poller, servers: servers}.start(t)
		for i := range 50 {
			mustVisit(t, loopback(i), b.address)
		}
	})
}

// PEN.md B8: a failover does not take a client from its server for good.
func TestB8ClientComesHome(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		running, servers := serveNamed(t, 3)
		b := launch{poller: poller, flags: []string{"-b", "1"}, servers: servers}.start(t)
		home := mustVisit(t, loopback(1), b.address)
		at := int(home[0] - 'a')
		running[at].close()
		for range 5 {
			if got := mustVisit(t, loopback(1), b.address); got == home {
				t.Fatalf("a dead server answers")
			}
		}
		serve(t, servers[at], named(home))
		eventually(t, 10*time.Second, "the client is back on its server", func() bool { return mustVisit(t, loopback(1), b.address) == home })
	})
}

// With a blacklist that lasts, only a passing check can bring the server back so soon.
func TestCheckEndsBlacklist(t *testing.T) {
	for _, check := range []string{"tcp", "http:/"} {
		t.Run(check, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, poller string) {
				t.Parallel()
				nginxes, servers := startNginxes(t, 2)
				b := launch{poller: poller, flags: []string{"--check", check, "--check-interval", "1", "-b", "600"}, servers: servers}.start(t)
				fetch := func() string {
					t.Helper()
					got, err := get(loopback(1), b.address, "/")
					if err != nil {
						t.Fatal(err)
					}
					return got
				}
				home := fetch()
				dead := nginxes[home[0]-'a']
				dead.kill()
				if got := fetch(); got == home {
					t.Fatalf("a dead server answers")
				}
				dead.start()
				eventually(t, 20*time.Second, "the client is back on its server", func() bool { return fetch() == home })
			})
		})
	}
}

// Health checks look from outside the traffic: a server that answers connects but not HTTP is left by --check http.
func TestHTTPCheckSeesMoreThanConnects(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		web := startNginx(t, "web", "")
		deaf := serve(t, "", func(c conn) error { // what it says is no HTTP
			_, _ = fmt.Fprintln(c, "deaf")
			return nil
		})
		b := launch{poller: poller, flags: []string{"-r", "--check", "http:/", "--check-interval", "1", "--fall", "1"}, servers: []string{web.address, deaf.address}}.start(t)
		inARow := 0
		eventually(t, 20*time.Second, "six clients in a row go to the web server", func() bool {
			if got, err := get(netip.Addr{}, b.address, "/"); err == nil && got == "web" {
				inARow++
			} else {
				inARow = 0
			}
			return inARow == 6
		})
	})
}

// -s: a client whose server is down is turned away, not sent elsewhere.
func TestStubborn(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		running, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"-s"}, servers: servers}.start(t)
		homes := []string{mustVisit(t, loopback(0), b.address), mustVisit(t, loopback(1), b.address)}
		running[homes[0][0]-'a'].close()
		if got, err := visit(loopback(0), b.address); err == nil {
			t.Errorf("the client of the dead server %q is served by %q", homes[0], got)
		}
		if got := mustVisit(t, loopback(1), b.address); got != homes[1] {
			t.Errorf("the other client moved from %q to %q", homes[1], got)
		}
	})
}

// -e: when nothing else is left, the emergency server serves; it is nobody's home.
func TestEmergencyServer(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		emergency := serve(t, "", named("emergency"))
		running, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"-b", "1", "-e", emergency.address}, servers: servers}.start(t)
		home := mustVisit(t, loopback(1), b.address)
		for _, s := range running {
			s.close()
		}
		for i := range 5 {
			if got := mustVisit(t, loopback(i), b.address); got != "emergency" {
				t.Errorf("client %d is served by %q", i, got)
			}
		}
		serve(t, servers[home[0]-'a'], named(home))
		eventually(t, 10*time.Second, "the client is back on its server", func() bool { return mustVisit(t, loopback(1), b.address) == home })
	})
}

// All servers out by automatic verdict: they are tried all the same, so that the first to return serves at once, not after the blacklist time.
func TestAllDownThenFailOpen(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		running, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"-b", "600"}, servers: servers}.start(t)
		for _, s := range running {
			s.close()
		}
		for i := range 4 {
			if got, err := visit(loopback(i), b.address); err == nil {
				t.Errorf("client %d is served by %q, and nothing runs", i, got)
			}
		}
		serve(t, servers[1], named("b"))
		for i := range 4 {
			if got := mustVisit(t, loopback(i), b.address); got != "b" {
				t.Errorf("client %d is served by %q", i, got)
			}
		}
	})
}
