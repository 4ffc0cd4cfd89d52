package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Limits on what pen may take for things that are done at once. They are generous: the machine is shared and the race detector slow.
const (
	startLimit = 15 * time.Second
	stopLimit  = 15 * time.Second // for a stop with nothing to drain
	leakLimit  = 10 * time.Second // for connections whose ends are closed to be gone from pen
)

// launch is a command line of pen and what surrounds it.
type launch struct {
	poller  string
	listen  string   // "": a free port of 127.0.0.1
	flags   []string // without --check in it, health checks are off, so that servers see clients only
	servers []string
	under   []string // words before the program: strace, ip netns exec, …

	passed []*os.File // listeners that a service manager passes on
}

// words is the whole command line.
func (l *launch) words(mode ...string) []string {
	under := l.under
	if l.passed != nil { // the process that pen is going to be is the one to be named
		under = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=` + fmt.Sprint(len(l.passed)) + ` exec "$0" "$@"`}, under...)
	}
	words := append(append(append([]string{}, under...), program), mode...)
	words = append(words, "--poller", l.poller)
	if l.poller == "gnet" { // the reference path, in everything: so that each test runs with the shortcuts and without
		words = append(words, "--shortcuts", "off")
	}
	if !strings.Contains(strings.Join(l.flags, " "), "--check") {
		words = append(words, "--check", "off")
	}
	words = append(words, l.flags...)
	return append(append(words, l.listen), l.servers...)
}

// balancer is a running pen in the foreground.
type balancer struct {
	process
	t       *testing.T
	address string
	log     *logBuffer
	exited  chan struct{}
	code    int  // after exited
	idle    int  // sockets held before the first client
	stopped bool // the test has ended it, or seen it end
}

// start runs pen in the foreground and waits until it listens. At the end of the test it must be free of every client's and server's socket,
// stop at SIGTERM with status 0, and leave no process behind.
func (l launch) start(t *testing.T) *balancer {
	t.Helper()
	if l.listen == "" {
		l.listen = fmt.Sprint("127.0.0.1:", freePort(t))
	}
	words := l.words("-f")
	b := &balancer{t: t, address: l.listen, log: &logBuffer{}, exited: make(chan struct{})}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = b.log, b.log, l.passed
	cmd.WaitDelay = stopLimit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", words, err)
	}
	group := cmd.Process.Pid
	go func() {
		_ = cmd.Wait()
		b.code = exitCode(cmd.ProcessState)
		close(b.exited)
	}()
	t.Cleanup(func() {
		b.finish()
		for _, left := range processes(2, group) {
			t.Errorf("process %d of pen's group is left", left)
			_ = syscall.Kill(int(left), syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("%s\n%s", strings.Join(words, " "), b.log.tail())
		}
	})
	b.process = process(group)
	eventually(t, startLimit, "pen listens on "+b.address, func() bool {
		select {
		case <-b.exited:
			b.stopped = true
			t.Fatalf("pen ended at once with status %d", b.code)
		default:
		}
		if !strings.Contains(b.log.String(), "listening") { // not every loop may do so yet, and who has a passed listener need not be pen
			return false
		}
		for _, p := range append(processes(1, group), process(group)) {
			if p.listens(b.address) {
				b.process = p
				return true
			}
		}
		return false
	})
	b.idle = b.sockets()
	return b
}

func (b *balancer) finish() {
	if b.stopped {
		return
	}
	deadline := time.Now().Add(leakLimit)
	for n := b.sockets(); n > b.idle; n = b.sockets() {
		if time.Now().After(deadline) {
			b.t.Errorf("pen holds %d sockets with no client left, %d before the first", n, b.idle)
			break
		}
		time.Sleep(pause)
	}
	b.signal(syscall.SIGTERM)
	if code := b.wait(stopLimit); code != 0 {
		b.t.Errorf("pen's exit status after SIGTERM is %d, want 0", code)
	}
}

func (b *balancer) signal(s syscall.Signal) {
	b.t.Helper()
	if err := syscall.Kill(int(b.process), s); err != nil {
		b.t.Errorf("signal pen: %v", err)
	}
}

// wait returns pen's exit status, 128+n for a signal. One that does not end in time is killed, and fails the test.
func (b *balancer) wait(limit time.Duration) int {
	b.t.Helper()
	b.stopped = true
	select {
	case <-b.exited:
	case <-time.After(limit):
		b.t.Errorf("pen still runs after %v", limit)
		b.signal(syscall.SIGKILL)
		<-b.exited
	}
	return b.code
}

// kill ends pen with no chance to tidy up.
func (b *balancer) kill() {
	b.t.Helper()
	b.signal(syscall.SIGKILL)
	b.wait(stopLimit)
}

// run runs pen to its end, for command lines that are not to start, and for daemons. The mode is "-f" or nothing.
func (l launch) run(t *testing.T, mode ...string) (code int, output string) {
	t.Helper()
	return run(t, l.words(mode...)...)
}

// run runs a command to its end, 60 seconds at most.
func run(t *testing.T, words ...string) (code int, output string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", words, err)
	}
	const limit = time.Minute
	late := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		t.Errorf("%s still ran after %v", words, limit)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("%s has ended, but something it left behind still holds its output", words)
	}
	return exitCode(cmd.ProcessState), out.String()
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// logBuffer collects a program's output. Safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail is the end of the text, as much as a failed test should print.
func (l *logBuffer) tail() string {
	const most = 4000 // bytes
	s := l.String()
	return s[max(0, len(s)-most):]
}

// freeNow reports whether nothing listens on the port. No process is forked meanwhile: it would hold on to the listener until it has become another program.
func freeNow(port int) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	l, err := net.Listen("tcp", fmt.Sprint(":", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

var ports struct {
	mu   sync.Mutex
	next int // guarded by mu
}

// freePort returns a TCP port that nothing uses. It stays below the range from which the kernel takes ports for outgoing connections, and gives none twice,
// so that between now and its use neither another test nor a client can take it.
func freePort(t *testing.T) int {
	t.Helper()
	const first, last = 12000, 32000
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.next == 0 {
		ports.next = first + os.Getpid()*61%(last-first) // two test programs at once start apart
	}
	for range last - first {
		port := ports.next
		if ports.next++; ports.next == last {
			ports.next = first
		}
		if freeNow(port) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
