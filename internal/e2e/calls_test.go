package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// counted are the calls that a connection can cost, however the machine schedules; waiting (epoll_pwait, futex) depends on that.
var counted = []string{"accept4", "socket", "setsockopt", "getsockopt", "bind", "connect", "getsockname", "getpeername", "fcntl", "ioctl", "recvfrom", "sendto", "recvmsg", "sendmsg", "io_uring_enter",
	"splice", "pipe2", "epoll_ctl", "shutdown", "close"}

// frozen runs f while pen stands still, so that everything f causes is there at once when pen goes on.
func (b *balancer) frozen(f func()) {
	b.t.Helper()
	b.signal(syscall.SIGSTOP)
	eventually(b.t, startLimit, "pen stands still", func() bool {
		tasks, _ := filepath.Glob(b.path("task/*/stat"))
		return !slices.ContainsFunc(tasks, func(task string) bool {
			stat, _ := os.ReadFile(task)
			_, rest, _ := strings.Cut(string(stat), ") ")
			return !strings.HasPrefix(rest, "T") && !strings.HasPrefix(rest, "t")
		})
	})
	f()
	b.signal(syscall.SIGCONT)
}

// perConnection runs connections under strace and returns the counted calls that each of them cost. It must be a whole number: what reads a list of threads at the start, as often as threads come, is off.
func perConnection(t *testing.T, n int, flags []string, handle func(conn) error, client func(b *balancer, i int)) map[string]int {
	log := filepath.Join(t.TempDir(), "trace")
	run := func(n int) map[string]calls {
		s := serve(t, "", handle)
		b := launch{poller: "raw", flags: append([]string{"--loops", "1", "--congestion", "system", "--caps", "keep"}, flags...), servers: []string{s.address},
			under: []string{"strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=" + strings.Join(counted, ","), "-o", log}}.start(t)
		for i := range n {
			client(b, i)
		}
		b.finish()
		return readTrace(t, log)
	}
	none, all := run(0), run(n)
	cost := map[string]int{}
	for name, c := range all {
		extra := c.n - none[name].n
		if extra%n != 0 {
			t.Errorf("%d connections cost %d %s", n, extra, name)
		}
		if extra != 0 {
			cost[name] = extra / n
		}
	}
	return cost
}

// Of several loops that wait at the one listener of a Unix socket one is woken for a connection, which accepts until none is left: if all were, most of them would accept in vain.
func TestSharedListenerWakesOneLoop(t *testing.T) {
	const n, loops = 64, 4
	log := filepath.Join(t.TempDir(), "trace")
	_, servers := serveNamed(t, 1)
	b := launch{poller: "raw", listen: filepath.Join(t.TempDir(), "socket"), flags: []string{"--loops", fmt.Sprint(loops)}, servers: servers,
		under: []string{"strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=accept4", "-o", log}}.start(t)
	for range n {
		mustVisit(t, netip.Addr{}, b.address)
		eventually(t, leakLimit, "the loops wait again", func() bool { return b.sockets() == b.idle })
	}
	b.finish()
	if got := readTrace(t, log)["accept4"].n; got > 3*n {
		t.Errorf("%d connections cost %d accepts over %d loops", n, got, loops)
	} else {
		shown(t, "%d connections to a Unix socket, %d loops: %d accepts", n, loops, got)
	}
}

// The system calls of a connection and of a request, to the number: a change that adds one fails here, and one that saves one has its proof here.
func TestSystemCallsPerConnection(t *testing.T) {
	const n = 16
	question, answer := strings.Repeat("q", 63)+"\n", strings.Repeat("a", 255)+"\n"
	for _, test := range []struct {
		name  string
		flags []string
		want  map[string]int
	}{
		{"shortcuts", nil, map[string]int{"getsockopt": 1, "accept4": 1, "socket": 1, "io_uring_enter": 1, "recvfrom": 3, "sendto": 1, "epoll_ctl": 2, "shutdown": 1, "close": 2}},
		{"no batch", []string{"--send-batch", "off"}, map[string]int{"getsockopt": 1, "accept4": 1, "socket": 1, "connect": 1, "recvfrom": 3, "sendto": 2, "epoll_ctl": 2, "shutdown": 1, "close": 2}},
		{"no shortcuts, no batch", []string{"--shortcuts", "off", "--send-batch", "off"},
			map[string]int{"getsockopt": 1, "accept4": 1, "socket": 1, "setsockopt": 6, "connect": 2, "recvfrom": 4, "sendto": 2, "epoll_ctl": 2, "shutdown": 1, "close": 2}},
	} {
		t.Run("one request, the server closes, "+test.name, func(t *testing.T) {
			asked, answered := make(chan struct{}), make(chan struct{})
			got := perConnection(t, n, test.flags, func(c conn) error {
				if _, err := io.ReadFull(c, make([]byte, len(question))); err != nil {
					return err
				}
				asked <- struct{}{}
				<-answered
				_, err := io.WriteString(c, answer)
				c.Close()
				answered <- struct{}{}
				return err
			}, func(b *balancer, i int) {
				var c conn
				b.frozen(func() {
					var err error
					if c, err = connect(loopback(1), b.address); err != nil {
						t.Fatal(err)
					}
					io.WriteString(c, question)
				})
				<-asked
				b.frozen(func() { answered <- struct{}{}; <-answered })
				if got, err := io.ReadAll(c); string(got) != answer || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				c.Close()
				eventually(t, leakLimit, "the connection is gone", func() bool { return b.sockets() == b.idle })
			})
			if !maps.Equal(got, test.want) {
				t.Errorf("a connection costs %v, want %v", got, test.want)
			}
			shown(t, "a connection with one request, %s: %v", test.name, got)
		})
	}
	t.Run("keep-alive requests", func(t *testing.T) {
		cost := func(requests int) map[string]int {
			return perConnection(t, 1, nil, named("a"), func(b *balancer, _ int) {
				c, err := connect(loopback(1), b.address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				r := bufio.NewReader(c)
				for i := range requests + 1 {
					if _, err := r.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
					if i < requests {
						fmt.Fprint(c, question)
					}
				}
			})
		}
		const few, many = 3, 103
		a, z := cost(few), cost(many)
		got := map[string]int{}
		for name := range z {
			if extra := z[name] - a[name]; extra != 0 {
				got[name] = extra
			}
		}
		if want := map[string]int{"recvfrom": 2 * (many - few), "sendto": 2 * (many - few)}; !maps.Equal(got, want) {
			t.Errorf("%d requests cost %v, want %v", many-few, got, want)
		}
		shown(t, "%d requests: %v", many-few, got)
	})
	t.Run("clients of a turn", func(t *testing.T) {
		cost := func(clients int) map[string]int {
			return perConnection(t, 1, nil, func(c conn) error {
				_, err := io.ReadFull(c, make([]byte, len(question)))
				fmt.Fprintln(c, "a")
				io.Copy(io.Discard, c)
				return err
			}, func(b *balancer, _ int) {
				var callers []*caller
				b.frozen(func() {
					for i := range clients {
						c := call(t, loopback(i), b.address)
						io.WriteString(c, question)
						callers = append(callers, c)
					}
				})
				for _, c := range callers {
					c.mustName(t)
					c.Close()
				}
			})
		}
		few, more := cost(1), cost(1+n)
		for name, want := range map[string]int{"getsockopt": 0, "accept4": n, "socket": n, "connect": 0} {
			if got := more[name] - few[name]; got != want {
				t.Errorf("%d more clients in a turn cost %d %s, want %d", n, got, name, want)
			}
		}
		if got := few["io_uring_enter"]; got != 1 {
			t.Errorf("a client costs %d io_uring_enter, want 1", got)
		}
		shown(t, "%d clients in a turn, and one: %v, %v", 1+n, more, few)
	})
	for name, test := range map[string]struct {
		flags []string
		want  map[string]int
	}{
		"in one call": {nil, map[string]int{"recvfrom": n, "io_uring_enter": 1}},
		"one by one":  {[]string{"--send-batch", "off"}, map[string]int{"recvfrom": n, "sendto": n}},
	} {
		t.Run("requests of a turn, "+name, func(t *testing.T) {
			cost := func(turns int) map[string]int {
				heard := make(chan struct{})
				return perConnection(t, 1, test.flags, func(c conn) error {
					fmt.Fprintln(c, "a")
					for r := bufio.NewReader(c); ; heard <- struct{}{} {
						if _, err := r.ReadString('\n'); err != nil {
							return nil
						}
					}
				}, func(b *balancer, _ int) {
					var callers []*caller
					for i := range n {
						c := call(t, loopback(i), b.address)
						c.mustName(t)
						callers = append(callers, c)
					}
					for range turns {
						b.frozen(func() {
							for _, c := range callers {
								io.WriteString(c, question)
							}
						})
						for range n {
							<-heard
						}
					}
					for _, c := range callers {
						c.Close()
					}
				})
			}
			few, more := cost(2), cost(3) // with the second message a connection is tuned
			got := map[string]int{}
			for name := range more {
				if extra := more[name] - few[name]; extra != 0 {
					got[name] = extra
				}
			}
			if !maps.Equal(got, test.want) {
				t.Errorf("%d requests in a turn cost %v, want %v", n, got, test.want)
			}
			shown(t, "%d requests in a turn, %s: %v", n, name, got)
		})
	}
}
