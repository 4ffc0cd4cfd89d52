package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
)

// stuck is a state in which pen can do nothing but wait. make brings it about, and it lasts to the end of the test.
type stuck struct {
	name   string
	flags  []string
	make   func(t *testing.T, s *steered)
	server func(t *testing.T) string // nil: an obedient one
}

// ticking is the part of a CPU that pen may use where each loop has a timer that ticks ten times a second: for the timeouts of connections that wait.
const ticking = 0.05

var stuckStates = []stuck{
	{name: "1 000 idle clients", flags: []string{"-x", "2000"}, make: func(t *testing.T, s *steered) {
		for i := range 1000 {
			call(t, loopback(i), s.address).mustName(t)
		}
	}},
	{name: "the limit is reached", flags: []string{"-x", "4"}, make: func(t *testing.T, s *steered) {
		for i := range 4 {
			call(t, loopback(i), s.address).mustName(t)
		}
		for i := range 20 {
			call(t, loopback(10+i), s.address)
		}
	}},
	{name: "out of descriptors", make: func(t *testing.T, s *steered) {
		limit := fmt.Sprintf("--nofile=%d:", len(s.links())+20)
		if code, output := run(t, "prlimit", "--pid", strconv.Itoa(int(s.process)), limit); code != 0 {
			t.Fatalf("prlimit: %s", output)
		}
		for i := range 40 {
			call(t, loopback(i), s.address)
		}
		s.logs("accepting pauses")
	}},
	{name: "out of descriptors, control clients too", make: func(t *testing.T, s *steered) {
		if code, output := run(t, "prlimit", "--pid", strconv.Itoa(int(s.process)), fmt.Sprintf("--nofile=%d:", len(s.links()))); code != 0 {
			t.Fatalf("prlimit: %s", output)
		}
		callControl(t, s, 3)
		s.logs("accept a control client")
	}},
	{name: "all servers down", server: closedPort, flags: []string{"--check", "tcp", "--check-interval", "1", "--fall", "1"}, make: func(t *testing.T, s *steered) {
		s.logs("server down")
		call(t, loopback(1), s.address).mustEnd(t, patience)
	}},
	{name: "a silent server, clients waiting", server: blackHole, flags: []string{"-t", "4"}, make: func(t *testing.T, s *steered) {
		for i := range 20 {
			fmt.Fprintln(call(t, loopback(i), s.address), "anybody?")
		}
		eventually(t, patience, "they wait", func() bool { return s.sockets() >= s.idle+40 })
	}},
	{name: "clients that never read", make: func(t *testing.T, s *steered) {
		for i := range 3 {
			c := call(t, loopback(i), s.address)
			c.mustName(t)
			fmt.Fprintln(c, "down")
		}
	}},
	{name: "half-closed for ever", make: func(t *testing.T, s *steered) {
		for i := range 3 {
			c := call(t, loopback(i), s.address)
			c.mustName(t)
			fmt.Fprintln(c, "hold")
			c.mustHear(t, "holding")
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{name: "silent control clients", make: func(t *testing.T, s *steered) {
		callControl(t, s, 300) // more than it talks to at once
	}},
	{name: "the disk of the log is full", flags: []string{"-l", "/dev/full", "--log-format", "json"}, make: func(t *testing.T, s *steered) {
		for i := range 20 {
			mustVisit(t, loopback(i), s.address)
		}
		s.logs("log lines dropped")
	}},
	{name: "penlogd is gone", flags: []string{"-l", "127.0.0.1:1"}, make: func(t *testing.T, s *steered) {
		for i := range 5 {
			c := call(t, loopback(i), s.address)
			c.mustName(t)
			c.mustEcho(t)
			c.mustEcho(t)
		}
		s.logs("log lines dropped")
	}},
}

// callControl connects clients to the control port that say nothing.
func callControl(t *testing.T, s *steered, n int) {
	t.Helper()
	for range n {
		c, err := net.DialTimeout("unix", s.control, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

// mustHear waits for a line.
func (c *caller) mustHear(t *testing.T, want string) {
	t.Helper()
	if got, err := c.name(patience); got != want {
		t.Fatalf("%q, %v, want %q", got, err, want)
	}
}

// In each state of waiting pen uses no CPU to speak of, and when it is over nothing is left of it. Others that cannot be held on to from outside are in TestWaitingUsesNoCPU of the loop.
func TestStuckStatesUseNoCPU(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, state := range stuckStates {
			t.Run(state.name, func(t *testing.T) {
				t.Parallel()
				over := make(chan struct{})
				address := ""
				if state.server != nil {
					address = state.server(t)
				} else {
					address = serve(t, "", obeyingLines(over)).address
				}
				s := &steered{dir: openDir(t)}
				s.control = filepath.Join(s.dir, "control")
				s.balancer = launch{poller: poller, flags: append([]string{"-C", s.control}, state.flags...), servers: []string{address}}.start(t)
				t.Cleanup(func() { close(over) })
				s.logs("listening")
				s.idle = s.sockets()
				state.make(t, s)
				quiet(t, s.balancer, state.name, ticking)
			})
		}
	})
}
