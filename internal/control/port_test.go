package control

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// open runs a port until the test ends.
func open(t testing.TB, in *Interpreter, address string, change func(*limits)) *Port {
	t.Helper()
	p, err := Open(address, in, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&p.limits)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return p
}

// dialPort connects to a port; whatever the client does has to be over within 20 s.
func dialPort(t testing.TB, p *Port) net.Conn {
	t.Helper()
	conn, err := net.Dial(p.Addr().Network(), p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// old is Debian's penctl: it sends one line, keeps its side open, and prints until the server closes.
func old(t testing.TB, p *Port, line string) string {
	t.Helper()
	conn := dialPort(t, p)
	defer conn.Close()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return string(reply)
}

func ports(t *testing.T) map[string]string {
	return map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0", "Unix": filepath.Join(t.TempDir(), "s")}
}

func TestOnePenCommandPerConnection(t *testing.T) {
	for name, address := range ports(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t, farm(t, newWorld(), Config{}, "10.0.0.1:80"), address, nil)
			for line, want := range map[string]string{"timeout": "3\n", "tarpit_acl": "tarpit_acl = -1", "#": "", "": "", "frob": "do_cmd: ignoring command starting with 'frob'\n", "timeout\r": "3\n"} {
				equal(t, line, old(t, p, line), want)
			}
		})
	}
}

func TestManyCommandsPerConnection(t *testing.T) {
	for name, address := range ports(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t, farm(t, newWorld(), Config{}, "10.0.0.1:80"), address, func(l *limits) { l.grace = 10 * time.Second })
			// one after the other
			conn := dialPort(t, p)
			r := bufio.NewReader(conn)
			for i := range 200 {
				fmt.Fprintf(conn, "blacklist %d\n", i)
				if got, err := r.ReadString('\n'); err != nil || got != fmt.Sprintf("%d\n", i) {
					t.Fatalf("command %d: %q, %v", i, got, err)
				}
			}
			fmt.Fprint(conn, "quit\n")
			if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
				t.Errorf("after quit: %q, %v", rest, err)
			}
			// all at once, the last without an end of line
			conn = dialPort(t, p)
			fmt.Fprint(conn, "blacklist\n\n# a comment\nmode\ntimeout")
			conn.(interface{ CloseWrite() error }).CloseWrite()
			all, err := io.ReadAll(conn)
			equal(t, "all at once", string(all), "199\nno hash no roundrobin no stubborn no weight no prio\n3\n")
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestASessionStaysOpenBetweenCommands(t *testing.T) {
	p := open(t, farm(t, newWorld(), Config{}), "127.0.0.1:0", func(l *limits) { l.grace = time.Millisecond })
	conn := dialPort(t, p)
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "session\n")
	waitUntil(t, "the port waits for a line", func() bool { return silent(p) == 1 })
	for range 3 {
		time.Sleep(5 * time.Millisecond) // longer than the grace, which is what is tested
		fmt.Fprint(conn, "timeout\n")
		if got, err := r.ReadString('\n'); got != "3\n" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// silent is how many clients the port waits for.
func silent(p *Port) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.clients {
		if c.silentSince.Load() != 0 {
			n++
		}
	}
	return n
}

func waitUntil(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after 10 s", what)
		}
	}
}

func TestTheAccessListClosesWithoutAByte(t *testing.T) {
	in := farm(t, newWorld(), Config{})
	do(t, in, "acl 3 deny 127.0.0.1", "control_acl 3")
	p := open(t, in, "127.0.0.1:0", nil)
	conn, err := net.Dial("tcp", p.Addr().String())
	if err == nil {
		var b []byte
		b, err = io.ReadAll(conn)
		conn.Close()
		equal(t, "bytes", string(b), "")
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v: want a reset", err)
	}
	var out, errs bytes.Buffer
	if status := Ctl([]string{p.Addr().String(), "pid"}, &out, &errs); status != exitFailed || out.Len() != 0 || errs.Len() == 0 {
		t.Errorf("penctl: status %d, %q, %q", status, out.String(), errs.String())
	}
	unix := open(t, in, filepath.Join(t.TempDir(), "s"), nil) // Unix peers are always permitted
	equal(t, "over a Unix socket", old(t, unix, "control_acl"), "3\n")
}

func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	in := farm(t, newWorld(), Config{})
	p := open(t, in, path, nil)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if _, err := Open(path, in, true, quiet); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second port on the socket: %v", err)
	}
	equal(t, "still served", old(t, p, "timeout"), "3\n")
	// Trusted over the Unix socket, not over TCP.
	equal(t, "log", old(t, p, "log /tmp/any"), "/tmp/any\n")
	tcp := open(t, in, "127.0.0.1:0", nil)
	equal(t, "log", old(t, tcp, "log /tmp/other"), "/tmp/any\n")
	// A stale socket is replaced, anything else is left alone.
	stale := filepath.Join(dir, "stale")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	equal(t, "on a stale socket", old(t, open(t, in, stale, nil), "timeout"), "3\n")
	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plain, in, false, quiet); err == nil || contents(t, plain) != "mine" {
		t.Errorf("on a file: %v", err)
	}
}

func TestRootDoesNotOpenTCP(t *testing.T) {
	in := farm(t, newWorld(), Config{})
	quiet := slog.New(slog.DiscardHandler)
	if _, err := Open("127.0.0.1:0", in, true, quiet); err != ErrRoot {
		t.Errorf("%v, want ErrRoot", err)
	}
	p, err := Open(filepath.Join(t.TempDir(), "s"), in, true, quiet)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	p.Run(context.Background()) // returns at once
	if _, err := Open("127.0.0.1:notaport", in, false, quiet); err == nil {
		t.Error("a port that is none opens")
	}
}

func TestClosingEndsClients(t *testing.T) {
	in := farm(t, newWorld(), Config{})
	p, err := Open("127.0.0.1:0", in, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	conn := dialPort(t, p)
	waitUntil(t, "the client is served", func() bool { return silent(p) == 1 })
	cancel()
	<-done
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the client is still connected")
	}
}
