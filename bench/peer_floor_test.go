package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// eachRelay runs a test with both.
func eachRelay(t *testing.T, test func(t *testing.T, r relay)) {
	for _, r := range []relay{floor, ring} {
		t.Run(r.name, func(t *testing.T) { test(t, r) })
	}
}

// startFloor compiles a relay and starts it before servers.
func startFloor(t *testing.T, r relay, servers ...string) *running {
	t.Helper()
	p := testPeers(t, r.name)[0]
	var err error
	if p.program, err = r.compile(context.Background(), nil, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	// Not startPeer: what is behind it does not always answer asks.
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	release()
	at := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	argv, err := floorArgv(p, task{Listen: at, Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	c, err := startChild(command{Argv: argv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(stopGrace); err != nil {
			t.Error(err)
		}
	})
	if err := awaitListener(at, startLimit); err != nil {
		t.Fatalf("%v: %s", err, c.Said())
	}
	return &running{addrs: []string{at}, proxy: c}
}

// It carries every byte of the loads that are hardest to carry.
func TestFloor(t *testing.T) {
	eachRelay(t, func(t *testing.T, r relay) {
		at := startFloor(t, r, testServers(t)...)
		for _, name := range []string{"conn-server-close", "conn-client-close", "bulk-both", "mixed"} {
			j := testJob(t, name, at.addrs)
			j.Proxy = at.pid()
			o, err := drive(context.Background(), j)
			if err != nil || o.Errors != 0 || o.Units == 0 {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
			if o.Proxy.CPU <= 0 || o.Switch.Voluntary <= 0 {
				t.Errorf("%s: the loops are not counted: %+v", name, o)
			}
		}
		// Its loops end with it, also when it is killed.
		all, err := readStats()
		if err != nil {
			t.Fatal(err)
		}
		tree := treeOf(all, at.pid())
		if len(tree) < 2 {
			t.Errorf("processes %+v, want one and its loops", tree)
		}
		if err := at.proxy.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, s := range tree {
			awaitGone(t, s.Pid)
		}
	})
}

// Nothing is lost where neither side reads before it has written, so that the relay has to keep what the sockets do not take; and a stream that has ended leaves the other direction
// open.
func TestFloorHalfClose(t *testing.T) {
	eachRelay(t, func(t *testing.T, r relay) {
		sent, thanks := bytes.Repeat([]byte("all of it, in order. "), 100_000), []byte("and an answer to its end")
		at := startFloor(t, r, badServer(t, func(c net.Conn) {
			_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
			if _, err := c.Write(sent); err != nil {
				return
			}
			if got, err := io.ReadAll(c); err == nil && bytes.Equal(got, sent) {
				_, _ = c.Write(thanks)
			}
		}))
		var all sync.WaitGroup
		for range 4 {
			c := dialTest(t, at.addrs[0])
			_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
			// A megabyte each way through small windows takes its time on a busy machine.
			if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if _, err := c.Write(sent); err != nil {
					t.Errorf("write: %v", err)
				}
				if err := c.(*net.TCPConn).CloseWrite(); err != nil {
					t.Errorf("end the stream: %v", err)
				}
			})
			all.Go(func() {
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, append(bytes.Clone(sent), thanks...)) {
					t.Errorf("%d bytes of %d came: %v", len(got), len(sent)+len(thanks), err)
				}
			})
		}
		all.Wait()
	})
}

// A server that is not there, or is reset, ends the client's connection.
func TestFloorEnds(t *testing.T) {
	eachRelay(t, func(t *testing.T, r relay) {
		port, release, err := reservePort()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		refusing := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
		resetting := badServer(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
		for _, server := range []string{refusing, resetting} {
			c := dialTest(t, startFloor(t, r, server).addrs[0])
			began := time.Now()
			if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(began) > startLimit {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
	})
}

func TestCompilerMissing(t *testing.T) {
	eachRelay(t, func(t *testing.T, r relay) {
		t.Setenv("PATH", t.TempDir())
		if _, err := r.compile(context.Background(), nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "apt-get install "+r.apt) {
			t.Errorf("error %v", err)
		}
	})
}
