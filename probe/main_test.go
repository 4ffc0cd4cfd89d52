package probe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pen/internal/backend"
	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience bounds every wait for something that has to happen.
const patience = 10 * time.Second

// start runs a prober of targets until the test ends or the returned stop is called, which waits for Run to return.
func start(t *testing.T, cfg Config, slots *backend.Slots, targets ...Target) (p *Prober, stop func()) {
	t.Helper()
	p = New(cfg, slots)
	p.Watch(targets)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx)
	}()
	stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	}
	t.Cleanup(stop)
	return p, stop
}

// claim names a server and returns its target and slot.
func claim(t *testing.T, slots *backend.Slots, name, network, address string) (Target, *backend.Slot) {
	t.Helper()
	id, err := slots.Claim(name)
	if err != nil {
		t.Fatal(err)
	}
	return Target{ID: id, Name: name, Network: network, Address: address}, slots.Get(id)
}

func down(s *backend.Slot) bool { return s.Health(0).ProbeDown }

// until waits for a condition that nothing announces.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// journal is a log that a test can wait on.
type journal struct {
	mu    sync.Mutex
	lines []map[string]any // guarded by mu
	fresh chan struct{}
}

func newJournal() *journal { return &journal{fresh: make(chan struct{}, 1)} }

func (j *journal) log() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

func (j *journal) Write(p []byte) (int, error) {
	line := map[string]any{}
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	j.mu.Lock()
	j.lines = append(j.lines, line)
	j.mu.Unlock()
	select {
	case j.fresh <- struct{}{}:
	default:
	}
	return len(p), nil
}

// all returns the lines with this message so far.
func (j *journal) all(msg string) (lines []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if l["msg"] == msg {
			lines = append(lines, l)
		}
	}
	return lines
}

// await returns the nth (from 1) line with this message, and waits for it.
func (j *journal) await(t *testing.T, msg string, n int) map[string]any {
	t.Helper()
	late := time.After(patience)
	for {
		if lines := j.all(msg); len(lines) >= n {
			return lines[n-1]
		}
		select {
		case <-j.fresh:
		case <-late:
			t.Fatalf("log has %d lines %q, want %d", len(j.all(msg)), msg, n)
		}
	}
}

// serve listens and gives each connection to handle, in a goroutine of its own, and closes it after that. When the test ends it closes what is open and waits.
func serve(t *testing.T, network, address string, handle func(net.Conn)) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			running.Go(func() {
				handle(conn)
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return ln
}

// readRequest returns a request up to and including its empty line.
func readRequest(conn net.Conn) (string, error) {
	var request strings.Builder
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadString('\n')
		request.WriteString(line)
		if err != nil || line == "\r\n" {
			return request.String(), err
		}
	}
}

// oracle is an HTTP server whose every answer the test gives by hand. A prober never checks a server twice at once, so when a server's next question has come, the
// answer to its last one has taken effect.
type oracle struct {
	address   string
	questions chan question
}

type question struct {
	host   string
	answer chan int // status
}

func newOracle(t *testing.T) *oracle {
	o := &oracle{questions: make(chan question)}
	closed := make(chan struct{})
	ln := serve(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
		request, err := readRequest(conn)
		if err != nil {
			return
		}
		_, host, _ := strings.Cut(request, "Host: ")
		host, _, _ = strings.Cut(host, "\r\n")
		q := question{host, make(chan int)}
		select {
		case o.questions <- q:
		case <-closed:
			return
		}
		select {
		case status := <-q.answer:
			fmt.Fprintf(conn, "HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n", status)
		case <-closed:
		}
	})
	t.Cleanup(func() { close(closed) })
	o.address = ln.Addr().String()
	return o
}

// next waits for the next question.
func (o *oracle) next(t *testing.T) question {
	t.Helper()
	select {
	case q := <-o.questions:
		return q
	case <-time.After(patience):
		t.Fatal("nobody asks")
		panic("unreachable")
	}
}

// answers answers the next questions, whoever asks, and returns the one after them, unanswered.
func (o *oracle) answers(t *testing.T, q question, statuses ...int) question {
	t.Helper()
	for _, status := range statuses {
		q.answer <- status
		q = o.next(t)
	}
	return q
}

// bound is a port of 127.0.0.1 that is taken but not listened on: it refuses, and nobody else can come to listen there.
type bound struct {
	fd      int
	address string
}

func newBound(t *testing.T) *bound {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return &bound{fd, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)}
}

// listen makes it answer connects from then on: the kernel does, up to backlog connections, since nobody accepts.
func (b *bound) listen(t *testing.T, backlog int) {
	t.Helper()
	if err := syscall.Listen(b.fd, backlog); err != nil {
		t.Fatal(err)
	}
}

// blackHole returns an address that answers no SYN: a listener whose backlog is full.
func blackHole(t *testing.T) string {
	t.Helper()
	b := newBound(t)
	b.listen(t, 0)
	for range 16 {
		conn, err := net.DialTimeout("tcp", b.address, 100*time.Millisecond)
		if err != nil {
			return b.address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("backlog does not fill")
	return ""
}

// countingReader counts what is taken from an endless repetition of text.
type countingReader struct {
	text string
	n    int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n := copy(p, bytes.Repeat([]byte(r.text), len(p)/len(r.text)+1))
	r.n += n
	return n, nil
}
