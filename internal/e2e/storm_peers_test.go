//go:build !race

package e2e

import (
	"bufio"
	"context"
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
	"time"
)

// stormVariable makes this test binary one of a storm's servers or its attackers: each needs a limit on descriptors of its own.
const stormVariable = "PEN_STORM_PEER"

func init() {
	role, args, _ := strings.Cut(os.Getenv(stormVariable), " ")
	switch role {
	case "":
		return
	case "server":
		fmt.Println(stormServer(args))
	default:
		a := attacker{kind: role}
		if _, err := fmt.Sscan(args, &a.to, &a.n, &a.rate, &a.first); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		attacks[role](&a)
		fmt.Println("made", a.made.Load(), a.failed.Load())
	}
	os.Exit(0)
}

// What a storm's client says in a line.
const (
	greeting = "hello\n" // answered at once, any number of times on a connection
	swallow  = "up\n"    // the server reads this much more, and then nothing
	spout    = "down\n"  // the server sends without an end, to a client that soon reads nothing
	moved    = 16 << 10  // bytes that a transfer carries before it stalls
)

// stormSocket gives a socket small buffers, and segments of the size that networks have. The loopback's are 64 KiB, and the kernel's buffers on pen's side, ten segments and more, would be so large that
// a few thousand stalled transfers used up the memory that the machine has for TCP (tcp_mem), and it would reset connections, anybody's.
func stormSocket(fd uintptr) {
	const size, segment = 8 << 10, 1400 // bytes; the kernel doubles the first
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, size)
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, size)
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment)
}

// stormServer answers greetings and holds what is stalled until USR1.
func stormServer(address string) error {
	l := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return raw.Control(stormSocket) }}
	ln, err := l.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	held := map[net.Conn]bool{}
	release := make(chan os.Signal, 1)
	signal.Notify(release, syscall.SIGUSR1)
	go func() {
		for range release {
			mu.Lock()
			for c := range held {
				c.Close()
			}
			clear(held)
			mu.Unlock()
		}
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			if stormServe(c) {
				mu.Lock()
				held[c] = true
				mu.Unlock()
				return
			}
			c.Close()
		}()
	}
}

// stormServe reports whether the connection is to be held.
func stormServe(c net.Conn) bool {
	lines := bufio.NewReaderSize(c, 16)
	for {
		line, err := lines.ReadString('\n')
		switch {
		case err != nil:
			return false
		case line == greeting:
			if _, err := io.WriteString(c, greeting); err != nil {
				return false
			}
		case line == swallow:
			_, err := io.CopyN(io.Discard, lines, moved)
			return err == nil
		case line == spout:
			for piece := make([]byte, 16<<10); ; {
				if _, err := c.Write(piece); err != nil {
					return false
				}
			}
		}
	}
}

// attacker is one kind of attack, laid to one address by a process of its own.
type attacker struct {
	kind  string
	to    string
	n     int // connections at a time or, where each is short, addresses they come from
	rate  int // connections, or bytes that keep some alive, in a second
	first int // number of the first address

	made   atomic.Int64
	failed atomic.Int64
}

var attacks = map[string]func(*attacker){"loris": (*attacker).loris, "stall": (*attacker).stall, "flood": (*attacker).flood, "hurry": (*attacker).hurry}

// stormAddress is where attackers' addresses begin: all others of the tests are below.
const stormAddress = 1 << 20

// ready says that all is in place and returns what is closed when it is to end.
func (a *attacker) ready() <-chan struct{} {
	over := make(chan struct{})
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	return over
}

// stand opens all connections, act being what each does first, and holds them.
func (a *attacker) stand(act func(i int, c conn) error) (all []conn) {
	all = make([]conn, a.n)
	var turn atomic.Int64
	var workers sync.WaitGroup
	for range 128 { // filling what stalls takes a tenth of a second each
		workers.Go(func() {
			for i := int(turn.Add(1)) - 1; i < a.n; i = int(turn.Add(1)) - 1 {
				c, err := connect(loopback(stormAddress+i%256), a.to, stormSocket)
				if err == nil {
					err = act(i, c)
				}
				if err != nil {
					a.failed.Add(1)
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				_ = c.SetDeadline(time.Time{})
				all[i] = c
				a.made.Add(1)
			}
		})
	}
	workers.Wait()
	return all
}

// pace calls act with 0, 1, 2, … at the attack's rate, several at a time, until it is over. What is late is made up for, but not more than a tenth of a second of it.
func (a *attacker) pace(over <-chan struct{}, act func(i int)) {
	const workers = 16
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			gap := workers * time.Second / time.Duration(a.rate)
			due := time.Now().Add(gap * time.Duration(w) / workers)
			for i := w; ; i += workers {
				select {
				case <-over:
					return
				case <-time.After(time.Until(due)):
				}
				act(i)
				if due = due.Add(gap); time.Since(due) > 100*time.Millisecond {
					due = time.Now()
				}
			}
		})
	}
	all.Wait()
}

// loris never finishes its line: each connection gets a byte of it now and then.
func (a *attacker) loris() {
	all := a.stand(func(_ int, c conn) error { _, err := io.WriteString(c, "G"); return err })
	a.pace(a.ready(), func(i int) {
		if c := all[i%len(all)]; c != nil {
			if _, err := io.WriteString(c, "E"); err != nil {
				a.failed.Add(1)
			}
		}
	})
	resetAll(all)
}

// stall begins transfers and stops in the middle: every second upload's server does not read on, every other download's client.
func (a *attacker) stall() {
	all := a.stand(func(i int, c conn) error {
		if i%2 == 0 {
			if _, err := io.WriteString(c, swallow); err != nil {
				return err
			}
			return fill(c)
		}
		if _, err := io.WriteString(c, spout); err != nil {
			return err
		}
		_, err := io.CopyN(io.Discard, c, moved)
		return err
	})
	<-a.ready()
	resetAll(all)
}

func resetAll(all []conn) {
	for _, c := range all {
		if c != nil {
			reset(c)
		}
	}
}

// flood is one proper visit after another, each from the next address.
func (a *attacker) flood() {
	a.pace(a.ready(), func(i int) {
		a.made.Add(1)
		if err := greet(loopback(stormAddress+(a.first+i)%a.n), a.to); err != nil {
			a.failed.Add(1)
			fmt.Fprintln(os.Stderr, err)
		}
	})
}

// hurry connects and goes at once, in order or with a reset, every other time with a word that nobody is there to see answered.
func (a *attacker) hurry() {
	a.pace(a.ready(), func(i int) {
		a.made.Add(1)
		c, err := connect(loopback(stormAddress+(a.first+i)%a.n), a.to)
		if err != nil {
			a.failed.Add(1)
			fmt.Fprintln(os.Stderr, err)
			return
		}
		if i&1 != 0 {
			_, _ = io.WriteString(c, greeting)
		}
		if i&2 != 0 {
			reset(c)
		}
		c.Close()
	})
}

// stormPeer is a process of a storm.
type stormPeer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Reader
	log   logBuffer
}

// startStormPeer starts one with its role and what belongs to it.
func startStormPeer(t *testing.T, role ...any) *stormPeer {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &stormPeer{cmd: exec.Command(path)}
	p.cmd.Env = append(os.Environ(), stormVariable+"="+strings.TrimSpace(fmt.Sprintln(role...)))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = &p.log
	in, e1 := p.cmd.StdinPipe()
	out, e2 := p.cmd.StdoutPipe()
	if err := errors.Join(e1, e2, p.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.lines = in, bufio.NewReader(out)
	return p
}

// attack lays one, and returns when all of it is in place.
func attack(t *testing.T, kind, to string, n, rate, first int) *stormPeer {
	t.Helper()
	p := startStormPeer(t, kind, to, n, rate, first)
	if line, err := p.lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the attackers say %q, %v: %s", line, err, p.log.tail())
	}
	return p
}

// lift ends the attack, and says how many connections it made and how many went wrong.
func (p *stormPeer) lift(t *testing.T) (made, failed int) {
	t.Helper()
	p.stdin.Close()
	line, _ := p.lines.ReadString('\n')
	if _, err := fmt.Sscanf(line, "made %d %d", &made, &failed); err != nil {
		t.Errorf("the attackers say %q in the end: %s", line, p.log.tail())
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the attackers: %v: %s", err, p.log.tail())
	}
	return made, failed
}

// end ends a server.
func (p *stormPeer) end() {
	p.stdin.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
