package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseCheck(t *testing.T) {
	for s, want := range map[string]Check{
		"tcp":             {Kind: TCP},
		"off":             {Kind: Off},
		"http:/":          {Kind: HTTP, Path: "/"},
		"http:/a/b?c=d&e": {Kind: HTTP, Path: "/a/b?c=d&e"},
	} {
		got, err := ParseCheck(s)
		if got != want || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("%q: String gives %q", s, got.String())
		}
	}
	for _, s := range []string{"", "TCP", "tcp ", "http", "http:", "http:health", "http://host/path", "https:/", "http:/a b", "http:/a\r\nX: y", "http:/a#b", "http:/ä", "on"} {
		got, err := ParseCheck(s)
		if err == nil || got != (Check{}) {
			t.Errorf("%q: %+v, %v; want an error", s, got, err)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("%q", s)) {
			t.Errorf("%q: error does not name it: %v", s, err)
		}
	}
}

// FuzzParseCheck: what is accepted prints as it was, and can stand in a request line.
func FuzzParseCheck(f *testing.F) {
	for _, seed := range []string{"tcp", "off", "http:/health?x", "http://x", "http:/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCheck(s)
		if err != nil {
			if c != (Check{}) {
				t.Fatalf("%+v beside error %v", c, err)
			}
			return
		}
		if c.String() != s {
			t.Fatalf("%q prints as %q", s, c)
		}
		if (c.Kind == HTTP) != strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, " \r\n\t\x00#") {
			t.Fatalf("%q gives path %q", s, c.Path)
		}
	})
}

// TestTCPCheckResets: what the server reads is a reset and not the end of a session.
func TestTCPCheckResets(t *testing.T) {
	reads := make(chan error, 1)
	for _, listen := range []struct{ network, address string }{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}} {
		ln := serve(t, listen.network, listen.address, func(conn net.Conn) {
			_, err := conn.Read(make([]byte, 1))
			reads <- err
		})
		target := Target{Name: "a", Network: "tcp", Address: ln.Addr().String()}
		if err := (Check{}).ask(context.Background(), target, patience); err != nil {
			t.Fatal(err)
		}
		if err := <-reads; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: server reads %v, want ECONNRESET", target.Address, err)
		}
	}
}

func TestTCPCheckOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	reads := make(chan error, 1)
	serve(t, "unix", path, func(conn net.Conn) {
		_, err := conn.Read(make([]byte, 1))
		reads <- err
	})
	if err := (Check{}).ask(context.Background(), Target{Network: "unix", Address: path}, patience); err != nil {
		t.Fatal(err)
	}
	if err := <-reads; err != io.EOF {
		t.Errorf("server reads %v, want EOF", err)
	}
}

func TestConnectFailures(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	const short = 50 * time.Millisecond
	for _, test := range []struct {
		name, network, address string
		want                   error
	}{
		{"refused", "tcp", newBound(t).address, syscall.ECONNREFUSED},
		{"black hole", "tcp", blackHole(t), os.ErrDeadlineExceeded},
		{"no socket", "unix", absent, syscall.ENOENT},
		{"Unix backlog full", "unix", fullUnix(t), syscall.EAGAIN},
	} {
		for _, check := range []Check{{Kind: TCP}, {Kind: HTTP, Path: "/"}} {
			began := time.Now()
			err := check.ask(context.Background(), Target{Network: test.network, Address: test.address}, short)
			if want := "connect " + test.address + ": " + test.want.Error(); !errors.Is(err, test.want) || err.Error() != want {
				t.Errorf("%s, %s: error %q, want %q", test.name, check, err, want)
			}
			if local(test.network, err) {
				t.Errorf("%s, %s: %v counts as our own trouble", test.name, check, err)
			}
			if took := time.Since(began); took > short+time.Second {
				t.Errorf("%s, %s: takes %v with a timeout of %v", test.name, check, took, short)
			}
		}
	}
}

// fullUnix returns the path of a Unix socket whose backlog is full.
func fullUnix(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "full")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return path
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("backlog does not fill")
	return ""
}

func TestHTTPRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, test := range []struct{ name, network, address, host string }{
		{"www1:8000", "tcp", "127.0.0.1:0", "www1:8000"},
		{"www1", "unix", path, "www1"},
		{path, "unix", path, "localhost"},
		{"", "tcp", "127.0.0.1:0", "localhost"},
		{"a\r\nb", "tcp", "127.0.0.1:0", "localhost"},
	} {
		t.Run(test.host, func(t *testing.T) {
			requests := make(chan string, 1)
			ln := serve(t, test.network, test.address, func(conn net.Conn) {
				request, _ := readRequest(conn)
				io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
				rest, _ := io.ReadAll(conn)
				requests <- request + string(rest)
			})
			target := Target{Name: test.name, Network: test.network, Address: ln.Addr().String()}
			if err := (Check{Kind: HTTP, Path: "/health?x=1"}).ask(context.Background(), target, patience); err != nil {
				t.Fatal(err)
			}
			want := "GET /health?x=1 HTTP/1.1\r\nHost: " + test.host + "\r\nUser-Agent: pen-check\r\nConnection: close\r\n\r\n"
			if got := <-requests; got != want {
				t.Errorf("request %q, want %q", got, want)
			}
		})
	}
}

func TestHTTPCheck(t *testing.T) {
	const short = 100 * time.Millisecond
	say := func(text string) func(net.Conn) { return func(conn net.Conn) { io.WriteString(conn, text) } }
	hold := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	repeat := func(text string, pause time.Duration) func(net.Conn) {
		return func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
				time.Sleep(pause)
			}
		}
	}
	for _, test := range []struct {
		name    string
		answer  func(net.Conn) // after the request has been read
		timeout time.Duration
		reason  string // "" passes
		cause   error
	}{
		{"200", say("HTTP/1.1 200 OK\r\n\r\nhello"), patience, "", nil},
		{"299", say("HTTP/1.0 299 Odd\r\n\r\n"), patience, "", nil},
		{"302 to nowhere is not followed", say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), patience, "", nil},
		{"399", say("HTTP/1.1 399 Odd\r\n\r\n"), patience, "", nil},
		{"400", say("HTTP/1.1 400 Bad\r\n\r\n"), patience, "status 400", nil},
		{"404", say("HTTP/1.1 404 Not Found\r\n\r\n"), patience, "status 404", nil},
		{"503", say("HTTP/1.1 503 Unavailable\r\n\r\n"), patience, "status 503", nil},
		{"101", say("HTTP/1.1 101 Switching Protocols\r\n\r\n"), patience, "status 101", nil},
		{"garbage", say("\x16\x03\x01 hello\r\n"), patience, "answer is not HTTP/1", errMalformed},
		{"closes", say(""), patience, "answer ends before its header does", errCutShort},
		{"resets", func(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0) }, patience, "connection reset by peer", syscall.ECONNRESET},
		{"header without end", func(conn net.Conn) {
			say("HTTP/1.1 200 OK\r\n")(conn)
			repeat("X: y\r\n", 0)(conn)
		}, patience, "header is longer than 16384 bytes", errTooLong},
		{"header drop by drop", func(conn net.Conn) {
			say("HTTP/1.1 200 OK\r\n")(conn)
			repeat("X: y\r\n", time.Millisecond)(conn)
		}, short, "i/o timeout", os.ErrDeadlineExceeded},
		{"silent", hold, short, "i/o timeout", os.ErrDeadlineExceeded},
		{"body without end", func(conn net.Conn) {
			say("HTTP/1.1 200 OK\r\n\r\n")(conn)
			repeat("body", 0)(conn)
		}, patience, "", nil},
		{"body never comes", func(conn net.Conn) {
			say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")(conn)
			hold(conn)
		}, patience, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			ln := serve(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
				if _, err := readRequest(conn); err == nil {
					test.answer(conn)
				}
			})
			address := ln.Addr().String()
			began := time.Now()
			err := (Check{Kind: HTTP, Path: "/h"}).ask(context.Background(), Target{Name: "a", Network: "tcp", Address: address}, test.timeout)
			if took := time.Since(began); took > short+5*time.Second {
				t.Errorf("takes %v", took)
			}
			if test.reason == "" {
				if err != nil {
					t.Errorf("error %v, want a pass", err)
				}
				return
			}
			want := "get /h from " + address + ": " + test.reason
			if err == nil || err.Error() != want || test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

// TestAcceptThenReset: a server that resets what it accepts still listens, which is all that a TCP check asks, whether the reset is there before connect returns or
// not. An HTTP check finds out.
func TestAcceptThenReset(t *testing.T) {
	ln := serve(t, "tcp", "127.0.0.1:0", func(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0) })
	target := Target{Network: "tcp", Address: ln.Addr().String()}
	for range 100 {
		if err := (Check{}).ask(context.Background(), target, patience); err != nil {
			t.Fatalf("TCP check: %v", err)
		}
		if err := (Check{Kind: HTTP, Path: "/"}).ask(context.Background(), target, patience); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("HTTP check: %v, want ECONNRESET", err)
		}
	}
}

func TestLocal(t *testing.T) {
	for _, test := range []struct {
		network string
		errno   syscall.Errno
		want    bool
	}{
		{"tcp", syscall.EMFILE, true},
		{"tcp", syscall.ENFILE, true},
		{"tcp", syscall.EADDRNOTAVAIL, true},
		{"tcp", syscall.ENOBUFS, true},
		{"tcp", syscall.ENOMEM, true},
		{"unix", syscall.EMFILE, true},
		{"tcp", syscall.EAGAIN, true},
		{"unix", syscall.EAGAIN, false},
		{"tcp", syscall.ECONNREFUSED, false},
		{"tcp", syscall.ECONNRESET, false},
		{"tcp", syscall.EHOSTUNREACH, false},
		{"tcp", syscall.ENETUNREACH, false},
		{"tcp", syscall.ETIMEDOUT, false},
		{"unix", syscall.ENOENT, false},
	} {
		err := fmt.Errorf("connect x: %w", cause(&net.OpError{Op: "dial", Net: test.network, Err: os.NewSyscallError("connect", test.errno)}))
		if got := local(test.network, err); got != test.want {
			t.Errorf("%s %v: local %v, want %v", test.network, test.errno, got, test.want)
		}
	}
	if local("tcp", nil) || local("tcp", os.ErrDeadlineExceeded) {
		t.Error("a pass or a timeout is our own trouble")
	}
}
