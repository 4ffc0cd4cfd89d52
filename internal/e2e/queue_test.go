package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asker asks the page and leaves no connection open.
var asker = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// metricOf reads one metric of the page, without labels or with all of them as they are written.
func metricOf(t *testing.T, web, name string) string {
	t.Helper()
	answer, err := asker.Get("http://" + web + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// --queue: clients beyond a server's limit wait, cost nothing while they do, are served in order as places become free, and can be seen; one more than may wait is turned away at once,
// and who has waited too long as well.
func TestQueue(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 1)
		web := fmt.Sprint("127.0.0.1:", freePort(t))
		s := steer(t, poller, true, []string{"--loops", "1", "--queue", "3", "--queue-timeout", "60", "--web", web}, servers[0]+":2")
		var inside, waiting []*caller
		for i := range 2 {
			c := call(t, loopback(i), s.address)
			c.mustName(t)
			inside = append(inside, c)
		}
		for i := range 3 {
			waiting = append(waiting, call(t, loopback(10+i), s.address))
			want := fmt.Sprint(i + 1)
			eventually(t, patience, want+" wait", func() bool { return metricOf(t, web, "pen_queue_connections") == want })
		}
		if x := s.quick("explain 127.9.9.9"); !strings.Contains(x, "so is the queue (3 of 3 wait)") {
			t.Errorf("explain: %s", x)
		}
		if name, err := visit(loopback(20), s.address); err == nil || errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a fourth: %q, %v, want the end", name, err)
		}
		quiet(t, s.balancer, "with three clients in the queue", 5*atRest) // a tick ten times a second, beside other tests; a loop that spins takes all of it
		for i, c := range inside {
			c.Close()
			if got := waiting[i].mustName(t); got != "a" {
				t.Errorf("client %d of the queue is served by %q", i, got)
			}
			if now, gone := served(waiting[i+1:]); len(now)+len(gone) > 0 {
				t.Errorf("with place %d free %d others are served and %d turned away", i, len(now), len(gone))
			}
			waiting[i].mustEcho(t)
		}
		if x := s.quick("explain 127.9.9.9"); !strings.Contains(x, "would wait in the queue (1 of 3 wait)") {
			t.Errorf("explain: %s", x)
		}
		s.do("queue_timeout 0.2")
		took := call(t, loopback(30), s.address).mustEnd(t, patience)
		if took < 150*time.Millisecond {
			t.Errorf("turned away after %v", took)
		}
		for name, want := range map[string]string{"pen_queued_total": "4", `pen_connections_ended_total{cause="queue_timeout"}`: "1", `pen_connections_ended_total{cause="limit"}`: "1"} {
			if got := metricOf(t, web, name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		s.do("server 0 max 5")
		waiting[2].mustName(t)
	})
}

// With several loops a place that one gives back goes to who waits on another.
func TestQueueOverLoops(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"--loops", "4", "--queue", "100"}, servers: []string{servers[0] + ":1", servers[1] + ":1"}}.start(t)
		var all []*caller
		for i := range sized(30, 100) {
			all = append(all, call(t, loopback(i), b.address))
		}
		for len(all) > 0 {
			var now, gone []*caller
			eventually(t, patience, "somebody is served", func() bool { now, gone = served(all); return len(now)+len(gone) > 0 })
			if len(gone) > 0 || len(now) > 2 {
				t.Fatalf("%d served at once, %d turned away", len(now), len(gone))
			}
			c := now[0]
			c.mustName(t)
			c.mustEcho(t)
			c.Close()
			for i := range all {
				if all[i] == c {
					all = append(all[:i], all[i+1:]...)
					break
				}
			}
		}
	})
}

// --on-no-server: what a client meets whose servers are all gone, and that it is over when one is back.
func TestOnNoServer(t *testing.T) {
	for _, c := range []struct {
		how     string
		meets   func(err error) bool
		refused bool
	}{
		{"accept", func(err error) bool { return errors.Is(err, io.EOF) }, false},
		{"reset", func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }, false},
		{"close-listener", func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }, true},
	} {
		t.Run(c.how, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, poller string) {
				first := serve(t, "", named("a"))
				web, port := fmt.Sprint("127.0.0.1:", freePort(t)), freePort(t)
				if c.refused {
					port = rootsPort(t) // which could not be opened a second time
				}
				flags := []string{"-u", "nobody", "--on-no-server", c.how, "--check", "tcp", "--check-interval", "0.1", "--rise", "1", "--fall", "1", "-b", "0.1", "--web", web, "--loops", "3", "--steer", "client"}
				b := launch{poller: poller, listen: fmt.Sprint("127.0.0.1:", port), flags: flags, servers: []string{first.address}}.start(t)
				for round := range 2 {
					mustVisit(t, loopback(1), b.address)
					inside := call(t, loopback(9), b.address)
					inside.mustName(t)
					first.ln.Close() // what is open goes on
					var err error
					eventually(t, patience, "clients meet "+c.how, func() bool {
						_, err = visit(loopback(2), b.address)
						return c.meets(err)
					})
					if answer, err := asker.Get("http://" + web + "/readyz"); err != nil || answer.StatusCode != http.StatusServiceUnavailable {
						t.Errorf("readyz: %v, %v", answer, err)
					} else {
						answer.Body.Close()
					}
					inside.mustEcho(t)
					if c.refused {
						if other, err := net.Listen("tcp", b.address); err == nil {
							other.Close()
							t.Error("while clients are refused somebody else can have the port")
						}
					}
					first.close()
					first = serve(t, first.address, named("a"))
					eventually(t, patience, "clients are served again", func() bool {
						name, _ := visit(loopback(3), b.address)
						return name == "a"
					})
					for _, said := range []string{"no server is usable: clients are refused", "clients are accepted again"} {
						eventually(t, patience, "pen says that "+said, func() bool { return !c.refused || strings.Count(b.log.String(), said) == round+1 })
					}
				}
			})
		})
	}
}

// With more clients than -x and -q admit the queue of the listener is seen to be full, and that it overflows is counted.
func TestListenQueueOverflowIsCounted(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		web := fmt.Sprint("127.0.0.1:", freePort(t))
		b := launch{poller: poller, flags: []string{"--loops", "1", "-x", "1", "-q", "50", "--web", web}, servers: servers}.start(t)
		call(t, loopback(0), b.address).mustName(t)
		count := func() int { return number(metricOf(t, web, "pen_host_listen_overflows_total")) }
		before := count()
		at := netip.MustParseAddrPort(b.address)
		for range 80 {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(fd)
			if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != syscall.EINPROGRESS {
				t.Fatal(err)
			}
		}
		eventually(t, patience, "the queue is full", func() bool { return number(metricOf(t, web, "pen_listen_queue_connections")) >= 50 })
		if most := metricOf(t, web, "pen_listen_queue_connections_max"); most != "50" {
			t.Errorf("the queue holds %s, want 50", most)
		}
		eventually(t, patience, "its overflow is counted", func() bool { return count() > before })
	})
}
