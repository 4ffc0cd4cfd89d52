package main

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// testJob is a short job for a workload.
func testJob(t *testing.T, name string, targets []string) job {
	t.Helper()
	chosen, err := selectWorkloads([]string{name}, false)
	if err != nil {
		t.Fatal(err)
	}
	return job{Shape: small(chosen[0].Shape), Targets: targets, Warm: 50 * time.Millisecond, Window: 150 * time.Millisecond, Proxy: os.Getpid(), Servers: os.Getpid()}
}

// small makes a load that gets something done in a short window, also under the race detector on a busy machine.
func small(s shape) shape {
	s.Conns, s.Up, s.Down = min(s.Conns, 200), min(s.Up, 32<<10), min(s.Down, 32<<10)
	if s.Driver == "latency" {
		s.Conns, s.Rate = 8, 300
	}
	return s
}

// Every load, in a child as always, against servers in this process.
func TestLoads(t *testing.T) {
	addrs := testServers(t)
	for _, w := range workloads {
		switch w.Name {
		case "keepalive-1000", "bulk-down", "bulk-up", "latency-25", "latency-75", "clients-1k", "clients-100k", "clients-10m":
			// Like others but for a number.
			continue
		}
		t.Run(w.Name, func(t *testing.T) {
			o, err := drive(context.Background(), testJob(t, w.Name, addrs))
			if err != nil {
				t.Fatal(err)
			}
			if o.Errors != 0 || o.Units == 0 {
				t.Errorf("%d units, %d errors: %s", o.Units, o.Errors, o.First)
			}
			if o.Elapsed < 150*time.Millisecond && w.Shape.Driver != "idle" || o.Elapsed > 10*time.Second {
				t.Errorf("elapsed %v", o.Elapsed)
			}
			if o.Load.CPU <= 0 || o.Servers.CPU <= 0 || o.Proxy.RSS == 0 || o.Busy <= 0 || o.Switch.Voluntary <= 0 {
				t.Errorf("%+v", o)
			}
			if is := w.Shape.Driver; (o.Latency != nil) != (is == "latency") || (o.Idle != nil) != (is == "idle") || (o.Storm != nil) != (is == "storm") {
				t.Errorf("latency %v, idle %v, storm %v", o.Latency, o.Idle, o.Storm)
			}
		})
	}
}

// badServer accepts connections on loopback and leaves them to serve.
func badServer(t *testing.T, serve func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// liar answers asks, but flips a bit of the last byte of every fifth.
func liar(c net.Conn) {
	b := make([]byte, headerSize+maxBody)
	for n := 1; ; n++ {
		if _, err := io.ReadFull(c, b[:headerSize]); err != nil {
			return
		}
		ask := getHeader(b)
		if _, err := io.ReadFull(c, b[:ask.Up]); err != nil {
			return
		}
		answerTo(ask).put(b)
		copy(b[headerSize:], body(ask.Tag, downBody, ask.Down))
		answer := b[:headerSize+ask.Down]
		if n%5 == 0 || ask.Flags&hangUp != 0 {
			answer[len(answer)-1] ^= 1
		}
		if _, err := c.Write(answer); err != nil || ask.Flags&hangUp != 0 {
			return
		}
	}
}

// curt reads an ask and hangs up in the middle of the answer.
func curt(c net.Conn) {
	b := make([]byte, headerSize)
	if _, err := io.ReadFull(c, b); err != nil {
		return
	}
	answerTo(getHeader(b)).put(b)
	_, _ = c.Write(b[:headerSize-1])
}

func TestLoadsSeeWhatIsWrong(t *testing.T) {
	lying, hangingUp := badServer(t, liar), badServer(t, curt)
	for _, name := range []string{"conn-server-close", "keepalive-64", "bulk-down", "latency-50"} {
		for want, addr := range map[string]string{"want": lying, "": hangingUp} {
			o, err := drive(context.Background(), testJob(t, name, []string{addr}))
			if err != nil {
				t.Fatal(err)
			}
			if o.Errors == 0 || !strings.Contains(o.First, want) {
				t.Errorf("%s: %d errors: %q, want %q in the first", name, o.Errors, o.First, want)
			}
		}
	}
}

func TestLoadsRefused(t *testing.T) {
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	for _, name := range []string{"conn-client-close", "bulk-up"} {
		j := testJob(t, name, []string{addr})
		o, err := drive(context.Background(), j)
		if err != nil || o.Errors == 0 || !strings.Contains(o.First, "connect "+addr+": connection refused") {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
	if _, err := drive(context.Background(), testJob(t, "keepalive-1", []string{addr})); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("keepalive-1: %v", err)
	}
}

// A server that never answers makes an error, and the load still ends in time.
func TestLoadsDoNotHang(t *testing.T) {
	t.Parallel()
	silent := badServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	var all sync.WaitGroup
	for _, name := range []string{"conn-client-close", "keepalive-1", "bulk-both"} {
		all.Go(func() {
			began := time.Now()
			o, err := drive(context.Background(), testJob(t, name, []string{silent}))
			if err != nil || o.Units != 0 || !strings.Contains(o.First, "stand still") {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
			if d := time.Since(began); d > settleLimit+startLimit {
				t.Errorf("%s took %v", name, d)
			}
		})
	}
	all.Wait()
}

func TestLoadStaysOnLoopback(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:80", "[::1]:80", "localhost:80"} {
		j := job{Targets: []string{addr}}
		if to, err := j.targets(); err == nil {
			t.Errorf("%s passes as %v", addr, to)
		}
	}
}

func TestDriveEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	j := testJob(t, "conn-client-close", testServers(t))
	j.Window = time.Hour
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := drive(ctx, j); err == nil {
		t.Error("no error")
	}
}

func TestClientAddrs(t *testing.T) {
	seen := map[string]bool{}
	for i := range 20_000 {
		a := clientAddr(i)
		b := a.As4()
		if !a.IsLoopback() || b[1] == 0 || b[3] == 0 || b[3] == 255 || seen[a.String()] {
			t.Fatalf("client %d is %v", i, a)
		}
		seen[a.String()] = true
	}
	if a := clientAddr(0).String(); a != "127.1.0.1" {
		t.Errorf("client 0 is %s", a)
	}
}

func TestTally(t *testing.T) {
	l := newTally()
	for i := range errorLimit + 10 {
		if on := l.Fail(io.ErrUnexpectedEOF); on != (i+1 < errorLimit) {
			t.Fatalf("after %d errors: go on %v", i+1, on)
		}
	}
	began := time.Now()
	l.sleep(time.Hour)
	if time.Since(began) > time.Minute {
		t.Error("a broken load is waited for")
	}
	if n, first := l.report(); n != errorLimit+10 || first != io.ErrUnexpectedEOF.Error() {
		t.Errorf("%d errors, the first %q", n, first)
	}
}
