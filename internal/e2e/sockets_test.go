package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// Every kind of listener carries bytes exactly to every kind of server.
func TestKindsOfSockets(t *testing.T) {
	kinds := []struct {
		name    string
		address func(t *testing.T) string
	}{
		{"IPv4", func(t *testing.T) string { return fmt.Sprint("127.0.0.1:", freePort(t)) }},
		{"IPv6", func(t *testing.T) string { return fmt.Sprintf("[::1]:%d", freePort(t)) }},
		{"Unix", func(t *testing.T) string { return filepath.Join(t.TempDir(), "socket") }},
	}
	eachPoller(t, func(t *testing.T, poller string) {
		eachSplice(t, func(t *testing.T, splice string) {
			for _, from := range kinds {
				for _, to := range kinds {
					t.Run(from.name+" to "+to.name, func(t *testing.T) {
						s := bothAtOnce.serve(t, to.address(t))
						b := launch{poller: poller, listen: from.address(t), flags: []string{"--splice", splice}, servers: []string{s.address}}.start(t)
						bothAtOnce.runAll(t, b.address, sized(len(edges), 100))
					})
				}
			}
		})
	})
}

// A bare port and "*" listen for IPv6 and IPv4 both; an address of one kind for that kind only.
func TestListeningAddresses(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, c := range []struct {
			listen string
			v4, v6 bool
		}{
			{"%d", true, true},
			{"*:%d", true, true},
			{"[::]:%d", false, true},
			{"0.0.0.0:%d", true, false},
			{"[::1]:%d", false, true},
		} {
			t.Run(c.listen, func(t *testing.T) {
				t.Parallel()
				_, servers := serveNamed(t, 1)
				port := freePort(t)
				launch{poller: poller, listen: fmt.Sprintf(c.listen, port), servers: servers}.start(t)
				if _, err := visit(netip.Addr{}, fmt.Sprint("127.0.0.1:", port)); (err == nil) != c.v4 {
					t.Errorf("an IPv4 client sees: %v", err)
				}
				if _, err := visit(netip.Addr{}, fmt.Sprintf("[::1]:%d", port)); (err == nil) != c.v6 {
					t.Errorf("an IPv6 client sees: %v", err)
				}
			})
		}
	})
}

// PEN.md B2: behind a dual-stack listener all IPv4 clients were one client to Pen, on one server.
func TestB2MappedClientsAreDifferentClients(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 3)
		port := freePort(t)
		launch{poller: poller, listen: fmt.Sprint(port), servers: servers}.start(t)
		v4 := fmt.Sprint("127.0.0.1:", port)
		homes := map[string]int{}
		for i := range 30 {
			home := mustVisit(t, loopback(i), v4)
			homes[home]++
			if again := mustVisit(t, loopback(i), v4); again != home {
				t.Errorf("client %v moved from %q to %q", loopback(i), home, again)
			}
		}
		if homes["a"] != 10 || homes["b"] != 10 || homes["c"] != 10 {
			t.Errorf("30 clients have homes %v, want 10 on each", homes)
		}
	})
}

// All Unix clients are one client, as PEN.md 1.7 says. The socket's name goes with a clean stop.
func TestUnixListener(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 3)
		path := filepath.Join(t.TempDir(), "socket")
		b := launch{poller: poller, listen: path, servers: servers}.start(t)
		home := mustVisit(t, netip.Addr{}, path)
		for range 10 {
			if got := mustVisit(t, netip.Addr{}, path); got != home {
				t.Errorf("the Unix client moved from %q to %q", home, got)
			}
		}
		b.finish()
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("after a clean stop the socket's name is still there (%v)", err)
		}
	})
}
