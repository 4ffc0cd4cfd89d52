package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a peer waits for its other side before the test fails.
const patience = 60 * time.Second

// conn is what TCP and Unix connections have in common.
type conn interface {
	net.Conn
	CloseWrite() error
	SyscallConn() (syscall.RawConn, error)
}

// server is a server of the test's own.
type server struct {
	address string
	ln      net.Listener
	done    sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu; nil after close
}

// serve listens on the address ("": a free port of 127.0.0.1; with a slash: a Unix socket) and handles each connection in a goroutine. An error of the handler fails the test.
func serve(t *testing.T, address string, handle func(conn) error) *server {
	t.Helper()
	if address == "" {
		address = fmt.Sprint("127.0.0.1:", freePort(t))
	}
	ln, err := net.Listen(network(address), address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: address, ln: ln, conns: map[net.Conn]bool{}}
	s.done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if !s.enter(c) {
				c.Close()
				continue
			}
			s.done.Go(func() {
				_ = c.SetDeadline(time.Now().Add(patience))
				if err := handle(c.(conn)); err != nil {
					t.Errorf("server %s: %v", address, err)
				}
				s.leave(c)
			})
		}
	})
	t.Cleanup(s.finish)
	return s
}

func network(address string) string {
	if strings.Contains(address, "/") {
		return "unix"
	}
	return "tcp"
}

func (s *server) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *server) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Close()
	delete(s.conns, c)
}

// finish is close for when the clients are done: it lets the handlers come to their end first.
func (s *server) finish() {
	ended := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 0
	}
	for deadline := time.Now().Add(leakLimit); !ended() && time.Now().Before(deadline); {
		time.Sleep(pause)
	}
	s.close()
}

// close stops listening, closes what is open and waits for the handlers.
func (s *server) close() {
	syscall.ForkLock.RLock() // as in freeNow: when this returns, the address is free
	s.ln.Close()
	syscall.ForkLock.RUnlock()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.done.Wait()
}

// named is a handler that says its name in the first line and then sends back what it gets, until the other side ends.
func named(name string) func(conn) error {
	return func(c conn) error {
		if _, err := fmt.Fprintln(c, name); err != nil {
			return nil // the client has gone, as it may
		}
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return nil
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return nil
			}
		}
	}
}

// serveNamed starts n servers that say their names, a, b, c, and returns their addresses too.
func serveNamed(t *testing.T, n int) (servers []*server, addresses []string) {
	t.Helper()
	for i := range n {
		s := serve(t, "", named(string(rune('a'+i))))
		servers, addresses = append(servers, s), append(addresses, s.address)
	}
	return servers, addresses
}

// loopback is the i-th client address of 127.0.0.0/8, all of which reach this machine.
func loopback(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)})
}

// client is the i-th client's address for connecting to the address. Unix clients have none, and IPv6 has but one on loopback.
func client(i int, to string) netip.Addr {
	if network(to) == "unix" || strings.HasPrefix(to, "[") {
		return netip.Addr{}
	}
	return loopback(i)
}

// connect connects to pen from a client address; the zero address lets the kernel choose. The control function may set options before.
func connect(from netip.Addr, to string, control ...func(fd uintptr)) (conn, error) {
	d := net.Dialer{Timeout: patience, KeepAlive: -1}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	d.Control = func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			for _, f := range control {
				f(fd)
			}
		})
	}
	c, err := d.Dial(network(to), to)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(conn), nil
}

// caller is a client that has a connection to a named server.
type caller struct {
	conn
	lines *bufio.Reader
}

// call connects and leaves the connection open to the end of the test. It does not yet wait for the server's name.
func call(t *testing.T, from netip.Addr, to string) *caller {
	t.Helper()
	c, err := connect(from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &caller{c, bufio.NewReader(c)}
}

// name reads the server's name, and with it proves that the connection is served.
func (c *caller) name(limit time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	line, err := c.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}

// mustName is name for a client that is to be served now.
func (c *caller) mustName(t *testing.T) string {
	t.Helper()
	name, err := c.name(patience)
	if err != nil {
		t.Fatalf("client %v is not served: %v", c.LocalAddr(), err)
	}
	return name
}

// mustEcho proves that the connection still carries bytes both ways.
func (c *caller) mustEcho(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(c, "still here"); err != nil {
		t.Fatalf("client %v: %v", c.LocalAddr(), err)
	}
	if line, err := c.name(patience); err != nil || line != "still here" {
		t.Fatalf("client %v: echo is %q, %v", c.LocalAddr(), line, err)
	}
}

// mustEnd waits until pen ends the connection, whichever way, and returns how long that took.
func (c *caller) mustEnd(t *testing.T, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	_ = c.SetReadDeadline(began.Add(limit))
	for {
		_, err := c.lines.ReadByte()
		if os.IsTimeout(err) {
			t.Fatalf("client %v: still open after %v", c.LocalAddr(), limit)
		}
		if err != nil {
			return time.Since(began)
		}
	}
}

// visit is a whole connection: connect, read the server's name, close.
func visit(from netip.Addr, to string) (string, error) {
	c, err := connect(from, to)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return (&caller{c, bufio.NewReader(c)}).name(patience)
}

func mustVisit(t *testing.T, from netip.Addr, to string) string {
	t.Helper()
	name, err := visit(from, to)
	if err != nil {
		t.Fatalf("client %v is not served: %v", from, err)
	}
	return name
}
