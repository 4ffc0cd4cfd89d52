//go:build !race

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// serverVariable makes this test binary one of the soak's servers, at the address in it: only a process of its own can be killed or stopped.
const serverVariable = "PEN_SOAK_SERVER"

func init() {
	if address := os.Getenv(serverVariable); address != "" {
		fmt.Println(soakServer(address))
		os.Exit(1)
	}
}

// corrupt is what a peer says when a byte is not what was sent.
const corrupt = "CORRUPT"

var errCorrupt = errors.New(corrupt)

// exact reads n bytes and holds each against the stream, so that a transfer that breaks off is exact as far as it came.
func exact(r io.Reader, seed uint64, n int64) error {
	got, want, all := make([]byte, 32<<10), make([]byte, 32<<10), stream(seed, n)
	for n > 0 {
		k, err := r.Read(got[:min(n, int64(len(got)))])
		if _, e := io.ReadFull(all, want[:k]); e != nil || !bytes.Equal(got[:k], want[:k]) {
			return errCorrupt
		}
		if n -= int64(k); n > 0 && err != nil {
			return err
		}
	}
	return nil
}

// metered counts what a peer's kernel has taken from it and given to it, over all its connections.
type metered struct {
	conn
	sent, got *atomic.Int64 // bytes
}

func (c metered) Read(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	c.got.Add(int64(n))
	return n, err
}

func (c metered) Write(p []byte) (int, error) {
	n, err := c.conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// What a soak's server says when it has done what a signal asks for.
const (
	hasReset = "all connections are reset"
	hasMoved = "got %d sent %d" // bytes, since the process began
)

// soakServer carries out orders, any number on a connection. On USR1 it resets all its connections, on USR2 it says how many bytes it has moved.
func soakServer(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var sent, got atomic.Int64
	conns := map[*net.TCPConn]bool{}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range asked {
			if s == syscall.SIGUSR2 {
				fmt.Printf(hasMoved+"\n", got.Load(), sent.Load())
				continue
			}
			mu.Lock()
			for c := range conns {
				reset(c)
			}
			mu.Unlock()
			fmt.Println(hasReset)
		}
	}()
	for {
		raw, err := ln.Accept()
		if err != nil {
			return err
		}
		c := raw.(*net.TCPConn)
		mu.Lock()
		conns[c] = true
		mu.Unlock()
		go func() {
			m := metered{c, &sent, &got}
			for {
				o, err := receiveOrder(m)
				if err == nil {
					if err = exact(m, o.Seed, o.Up); errors.Is(err, errCorrupt) {
						fmt.Println(corrupt)
					}
				}
				if err != nil || o.sendDown(m) != nil {
					break
				}
			}
			mu.Lock()
			delete(conns, c)
			mu.Unlock()
			c.Close()
		}()
	}
}

// soaked is one server and its process.
type soaked struct {
	address string
	under   []string // words before the program: ip netns exec, …
	cmd     *exec.Cmd
	out     logBuffer
}

func (v *soaked) begin(t *testing.T) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(append([]string{}, v.under...), path)
	v.cmd = exec.Command(words[0], words[1:]...)
	v.cmd.Env = append(os.Environ(), serverVariable+"="+v.address)
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, startLimit, "a server listens", func() bool { return process(v.cmd.Process.Pid).listens(v.address) })
}

func (v *soaked) signal(s syscall.Signal) { _ = v.cmd.Process.Signal(s) }

// does sends a signal and waits until the server says a line that begins so. It returns what has been said since.
func (v *soaked) does(t *testing.T, s syscall.Signal, line string) (said string) {
	t.Helper()
	before := len(v.out.String())
	v.signal(s)
	eventually(t, patience, "a server says "+line, func() bool {
		said = v.out.String()[before:]
		return strings.Contains(said, line) && strings.HasSuffix(said, "\n")
	})
	return said
}

// moved is how many bytes it has got and sent since it began.
func (v *soaked) moved(t *testing.T) (got, sent int64) {
	t.Helper()
	said := v.does(t, syscall.SIGUSR2, "got ")
	if _, err := fmt.Sscanf(said, hasMoved, &got, &sent); err != nil {
		t.Errorf("a server says %q: %v", said, err)
	}
	return got, sent
}

func (v *soaked) end() {
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait()
}

// island is a network namespace with one address, where servers can be that vanish without a word.
type island struct {
	t       *testing.T
	name    string
	ours    string // our end of the cable; theirs is called server
	address string
}

// makeIsland builds it and takes it away at the end of the test. Its network, of those that RFC 2544 keeps for tests, is one that no other process of these tests has.
func makeIsland(t *testing.T) *island {
	t.Helper()
	pid := os.Getpid()
	at := func(host int) string { return fmt.Sprintf("198.18.%d.%d", pid>>6&255, pid&63<<2+host) }
	n := &island{t: t, name: fmt.Sprintf("pen-%d-soak", pid), ours: fmt.Sprintf("pen%d", pid), address: at(2)}
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { n.ip("netns", "del", n.name) })
	n.ip("link", "add", n.ours, "type", "veth", "peer", "name", "server", "netns", n.name)
	n.ip("address", "add", at(1)+"/30", "dev", n.ours)
	n.ip("link", "set", "dev", n.ours, "up")
	n.ip("-n", n.name, "address", "add", at(2)+"/30", "dev", "server")
	n.ip("-n", n.name, "link", "set", "dev", "lo", "up")
	n.link("up")
	return n
}

func (n *island) ip(words ...string) {
	n.t.Helper()
	if code, output := run(n.t, append([]string{"ip"}, words...)...); code != 0 {
		n.t.Fatalf("ip %s: %s", strings.Join(words, " "), output)
	}
}

// link plugs the cable in or out: what is sent meanwhile is lost, and nobody is told.
func (n *island) link(how string) { n.ip("-n", n.name, "link", "set", "dev", "server", how) }
