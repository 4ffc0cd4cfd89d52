package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Rotating the log by rename and HUP, under traffic, loses no line and writes none twice.
func TestLogRotation(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		farm, at := startFarm(t)
		dir := openDir(t)
		log := filepath.Join(dir, "log")
		s := steer(t, poller, true, []string{"-l", log}, farm[0].address, farm[1].address)
		const clients, each, rotations = 4, 150, 5
		want := make([]string, 0, clients*each)
		var all sync.WaitGroup
		halfway := make(chan struct{}, clients*each)
		for i := range clients {
			for n := range each {
				want = append(want, fmt.Sprintf("%s GET /%d/%d HTTP/1.0", loopback(i), i, n))
			}
			all.Go(func() {
				for n := range each {
					c, err := connect(loopback(i), s.address)
					if err != nil {
						t.Error(err)
						return
					}
					session := &caller{c, bufio.NewReader(c)}
					if name := session.session(fmt.Sprintf("GET /%d/%d HTTP/1.0\r\n\r\n", i, n)); name != "a" && name != "b" {
						t.Errorf("client %d: %s", i, name)
					}
					session.hangUp()
					halfway <- struct{}{}
				}
			})
		}
		files := []string{log}
		for n := range rotations {
			for range clients * each / (rotations + 1) {
				<-halfway
			}
			old := fmt.Sprint(log, ".", n)
			if err := os.Rename(log, old); err != nil {
				t.Fatal(err)
			}
			files = append(files, old)
			s.signal(syscall.SIGHUP)
			eventually(t, patience, "there is a new log", func() bool { _, err := os.Stat(log); return err == nil })
		}
		all.Wait()
		s.finish()
		var got []string
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(content)) {
				words := strings.SplitN(strings.TrimSpace(line), " ", 4)
				if len(words) != 4 || words[2] != at[0].Addr().String() && words[2] != at[1].Addr().String() {
					t.Errorf("log line %q", line)
					continue
				}
				got = append(got, words[0]+" "+words[3])
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d lines in %d files for %d requests", len(got), len(files), len(want))
		}
		shown(t, "%s: %d rotations by rename and HUP under traffic: %d requests, %d lines", poller, rotations, len(want), len(got))
	})
}

// The listener moves at run time: new clients come in at the new address and no longer at the old, and sessions go on. A place that is taken is refused and nothing changes.
func TestListenMoves(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 2)
		s := steer(t, poller, true, nil, addresses...)
		session := call(t, loopback(1), s.address)
		home := session.mustName(t)
		old, next := s.address, fmt.Sprint("127.0.0.1:", freePort(t))
		if code, reply := run(t, program, "ctl", s.control, "listen", addresses[0]); code == 0 {
			t.Errorf("to listen where a server does succeeds: %q", reply)
		}
		if got := s.quick("listen"); got != old+"\n" {
			t.Errorf("after a refusal it listens on %q", got)
		}
		mustVisit(t, loopback(2), old)
		if got := s.do("listen " + next); got != next+"\n" {
			t.Errorf("listen: %q", got)
		}
		if got := mustVisit(t, loopback(1), next); got != home {
			t.Errorf("the client is at %s, was at %s", got, home)
		}
		eventually(t, patience, "the old address is free", func() bool {
			c, err := connect(netip.Addr{}, old)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		session.mustEcho(t)
		session.Close()
	})
}

// `connection`, `socket` and `close` on a connection, and Pen's counts after `close` on a free number.
func TestConnectionCommands(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 2)
		s := steer(t, poller, true, nil, addresses...)
		first, second := call(t, loopback(1), s.address), call(t, loopback(2), s.address)
		names := []string{first.mustName(t), second.mustName(t)}
		open := map[string]int{} // server -> number
		for n := range 20 {
			var number, state, down, up, client, server, pend int
			text := s.quick(fmt.Sprint("connection ", n))
			if _, err := fmt.Sscanf(text, "Connection %d:\nstate = %d\ndownfd = %d, upfd = %d\nclient = %d, server = %d\npend = %d\n", &number, &state, &down, &up, &client, &server, &pend); err != nil {
				t.Fatalf("connection %d: %v in %q", n, err, text)
			}
			if down < 0 {
				continue
			}
			open[string(rune('a'+server))] = n
			for _, fd := range []int{down, up} {
				if got, want := s.quick(fmt.Sprint("socket ", fd)), fmt.Sprintf("Socket %d belongs to connection %d\n", fd, n); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			}
		}
		if len(open) != 2 {
			t.Fatalf("open connections by server: %v, want 2", open)
		}
		// PEN.md B11: a free number made connections_used negative.
		code, reply := run(t, program, "ctl", s.control, "close", "19")
		if code == 0 || !strings.HasPrefix(reply, "Forcibly closing connection 19\n") {
			t.Errorf("close of a free number: status %d, %q", code, reply)
		}
		if got := s.do(fmt.Sprint("close ", open[names[0]])); got != fmt.Sprintf("Forcibly closing connection %d\n", open[names[0]]) {
			t.Errorf("close: %q", got)
		}
		first.mustEnd(t, patience)
		second.mustEcho(t)
		eventually(t, patience, "the counts are right", func() bool {
			return strings.Count(s.quick("servers"), " conn 1 ") == 1 && strings.Count(s.quick("servers"), " conn 0 ") == 1
		})
		second.Close()
		for i, c := range []string{"127.1.0.1 connects 1 ", "127.1.0.2 connects 1 "} {
			if got := s.quick("recent"); !strings.Contains(got, c) {
				t.Errorf("recent has no client %d: %q", i, got)
			}
		}
	})
}

// The connection limit grows at run time (PEN.md B14): who waited comes in, and far more than before are served at once.
func TestConnMaxAtRunTime(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 2)
		s := steer(t, poller, true, []string{"-x", "2"}, addresses...)
		var all []*caller
		for i := range 4 {
			all = append(all, call(t, loopback(i), s.address))
		}
		eventually(t, patience, "two are served", func() bool { return s.sockets() == s.idle+4 })
		served := map[*caller]bool{} // which two it is depends on the loops that they came to
		for _, c := range all {
			switch _, err := c.name(50 * time.Millisecond); {
			case err == nil:
				served[c] = true
			case !os.IsTimeout(err):
				t.Errorf("beyond the limit a client is not left to wait: %v", err)
			}
		}
		if len(served) != 2 {
			t.Errorf("%d of 4 are served, the limit is 2", len(served))
		}
		const many = 200
		if got := s.do(fmt.Sprint("conn_max ", many)); got != fmt.Sprintln(many) {
			t.Errorf("conn_max: %q", got)
		}
		for i := len(all); i < many; i++ {
			all = append(all, call(t, loopback(i), s.address))
		}
		for _, c := range all {
			if !served[c] {
				c.mustName(t)
			}
			c.mustEcho(t)
		}
		if got := s.do("conn_max 3"); got != fmt.Sprintln(many) {
			t.Errorf("it shrinks to %q", got)
		}
		for _, c := range all {
			c.Close()
		}
	})
}

// `dummy` answers by itself; `idlers` keeps connections to the servers; `tcp_fastclose` ends both sides when one ends; `exit` needs -X.
func TestRuntimeModes(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 1)
		s := steer(t, poller, true, []string{"-X"}, addresses...)
		s.do("dummy")
		c := call(t, loopback(1), s.address)
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c.lines)
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.0 200 OK")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK")) {
			t.Errorf("dummy answers %q, %v", answer, err)
		}
		s.do("no dummy")
		mustVisit(t, loopback(1), s.address)

		s.do("idlers 3")
		eventually(t, patience, "three idlers are there", func() bool { return s.quick("idlers") == "Idlers: 3/3\n" })
		mustVisit(t, loopback(2), s.address)
		s.do("idlers 0")
		eventually(t, patience, "the idlers are gone", func() bool { return s.quick("idlers") == "Idlers: 0/0\n" })

		for _, c := range []struct {
			mode string
			ends bool // the session ends with the client's half
		}{{"off", false}, {"up", false}, {"down", true}, {"both", true}} {
			s.do("tcp_fastclose " + c.mode)
			finished := make(chan struct{})
			// It answers the client's end, after a while that only the test decides.
			late := serve(t, "", func(c conn) error {
				_, _ = io.WriteString(c, "late\n")
				_, err := io.Copy(io.Discard, c)
				<-finished
				if err == nil {
					_, _ = io.WriteString(c, "more\n")
				}
				return nil
			})
			host, port, _ := net.SplitHostPort(late.address)
			s.do("server 0 address " + host + " port " + port)
			session := call(t, loopback(3), s.address)
			if name := session.mustName(t); name != "late" {
				t.Fatalf("the session is at %s", name)
			}
			_ = session.CloseWrite()
			if c.ends {
				session.mustEnd(t, patience)
				close(finished)
			} else {
				close(finished)
				if line, err := session.name(patience); err != nil || line != "more" {
					t.Errorf("tcp_fastclose %s: after the client's half has ended it gets %q, %v", c.mode, line, err)
				}
			}
			session.Close()
		}
		s.do("exit")
		if code := s.wait(stopLimit); code != 0 {
			t.Errorf("exit: status %d", code)
		}
	})
}
