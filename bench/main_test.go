package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/panjf2000/gnet/v2/pkg/pool/goroutine"

	"pen/internal/testkit"
)

// TestMain lets the test binary play the roles that bench itself plays, and some that only tests have.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == roleWord {
		switch os.Args[2] {
		case "relay":
			os.Exit(playRelay(os.Args[3], os.Args[4]))
		case "parent":
			os.Exit(playParent())
		default:
			os.Exit(playRole(os.Args[2]))
		}
	}
	// A child under the race detector would sleep for a second before it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	// gnet starts this pool when it is loaded, and does not use it on Linux.
	goroutine.DefaultWorkerPool.Release()
	testkit.Main(m)
}

// playRelay is the simplest proxy there is: from listen to one server.
func playRelay(listen, server string) int {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		down, err := l.Accept()
		if err != nil {
			return 1
		}
		go func() {
			defer down.Close()
			up, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			defer up.Close()
			var both sync.WaitGroup
			both.Go(func() { carry(up, down) })
			both.Go(func() { carry(down, up) })
			both.Wait()
		}()
	}
}

func carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}

// playParent starts a child, says its pid and waits to be killed.
func playParent() int {
	c, err := startChild(command{Argv: []string{"sleep", "600"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(c.Pid())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// testServers starts servers in this process.
func testServers(t *testing.T) []string {
	t.Helper()
	s, err := startServers(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addrs
}
