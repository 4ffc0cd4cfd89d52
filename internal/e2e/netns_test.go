package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hosts is three network namespaces, joined by veth pairs, with no way out of them. Their addresses are those that RFC 5737 and RFC 3849 keep for documentation. It needs root and iproute2.
//
//	┌──── clients ────┐            ┌────── balancer ──────┐            ┌──── servers ────┐
//	│ 192.0.2.1…12    ├─out──front─┤ 192.0.2.100          │            │                 │
//	│ 2001:db8:1::1…12│            │ 2001:db8:1::100      │            │                 │
//	│                 │            │         198.51.100.1 ├─back0───s0─┤ 198.51.100.2    │ nginx a
//	│                 │            │         198.51.100.5 ├─back1───s1─┤ 198.51.100.6    │ nginx b
//	│                 │            │         198.51.100.9 ├─back2───s2─┤ 198.51.100.10   │ nginx c
//	└─────────────────┘            └──────────────────────┘            └─────────────────┘
type hosts struct {
	t                          *testing.T
	clients, balancer, servers string
}

const (
	farmPort    = "8080"
	hostClients = 12
)

// makeHosts builds the three and takes them away at the end of the test.
func makeHosts(t *testing.T, tag string) *hosts {
	t.Helper()
	name := func(role string) string { return fmt.Sprintf("pen-%d-%s-%s", os.Getpid(), tag, role) }
	h := &hosts{t, name("clients"), name("balancer"), name("servers")}
	for _, ns := range []string{h.clients, h.balancer, h.servers} {
		h.ip("netns add " + ns)
		t.Cleanup(func() { h.ip("netns del " + ns) })
	}
	h.ip("-n "+h.balancer, "link set dev lo up", "link add front type veth peer name out netns "+h.clients, "link set dev front up",
		"address add 192.0.2.100/24 dev front", "address add 2001:db8:1::100/64 dev front nodad")
	out := []string{"link set dev lo up", "link set dev out up"}
	for i := range hostClients {
		out = append(out, fmt.Sprintf("address add 192.0.2.%d/24 dev out", 1+i), fmt.Sprintf("address add 2001:db8:1::%d/64 dev out nodad", 1+i))
	}
	h.ip("-n "+h.clients, out...)
	h.ip("-n "+h.servers, "link set dev lo up")
	for i := range 3 {
		h.ip("-n "+h.balancer, fmt.Sprintf("link add back%d type veth peer name s%d netns %s", i, i, h.servers), fmt.Sprintf("link set dev back%d up", i),
			fmt.Sprintf("address add 198.51.100.%d/30 dev back%d", 4*i+1, i))
		h.ip("-n "+h.servers, fmt.Sprintf("link set dev s%d up", i), fmt.Sprintf("address add 198.51.100.%d/30 dev s%d", 4*i+2, i))
	}
	return h
}

// ip runs ip with the words, or, if commands follow, those commands one after another with the words as options.
func (h *hosts) ip(words string, commands ...string) {
	h.t.Helper()
	cmd := exec.Command("ip", strings.Fields(words)...)
	if len(commands) > 0 {
		cmd.Args = append(cmd.Args, "-batch", "-")
		cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("ip %s %s: %v: %s", words, strings.Join(commands, "; "), err, output)
	}
}

// in is the words that run a command in a namespace.
func in(ns string, words ...string) []string {
	return append([]string{"ip", "netns", "exec", ns}, words...)
}

// serve starts an nginx on each of the three server addresses and returns their addresses.
func (h *hosts) serve() (nginxes []*nginx, addresses []string) {
	for i := range 3 {
		n := startNginx(h.t, string(rune('a'+i)), fmt.Sprintf("198.51.100.%d:80", 4*i+2), in(h.servers)...)
		nginxes, addresses = append(nginxes, n), append(addresses, n.address)
	}
	return nginxes, addresses
}

// curl fetches a page from pen as one of the clients, over IPv4 or IPv6.
func (h *hosts) curl(i int, v6 bool) (string, error) {
	from, to := fmt.Sprintf("192.0.2.%d", 1+i), "192.0.2.100"
	if v6 {
		from, to = fmt.Sprintf("2001:db8:1::%d", 1+i), "[2001:db8:1::100]"
	}
	words := in(h.clients, "curl", "--silent", "--show-error", "--fail", "--globoff", "--max-time", "20", "--interface", from, "http://"+to+":"+farmPort+"/")
	output, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("client %s: %w: %s", from, err, output)
	}
	return strings.TrimSpace(string(output)), nil
}

func (h *hosts) mustCurl(i int, v6 bool) string {
	h.t.Helper()
	got, err := h.curl(i, v6)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// Between real hosts: clients of both families stick to their servers; a server whose link goes dark costs one connect timeout; its clients come home when the link is back.
func TestNetnsClientsAndDarkServer(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		h := makeHosts(t, poller)
		_, addresses := h.serve()
		launch{poller: poller, listen: farmPort, under: in(h.balancer), servers: addresses,
			flags: []string{"-t", "1", "--check", "tcp", "--check-interval", "1", "--fall", "1000"}}.start(t)
		// PEN.md B2: to Pen all of 2xxx::/8 was one client, and so were all v4-mapped addresses.
		homes := map[bool]map[string]int{false: {}, true: {}}
		home := map[bool][]string{}
		for _, v6 := range []bool{false, true} {
			for i := range hostClients {
				at := h.mustCurl(i, v6)
				home[v6] = append(home[v6], at)
				homes[v6][at]++
				if again := h.mustCurl(i, v6); again != at {
					t.Errorf("client %d, IPv6 %v, moved from %q to %q", i, v6, at, again)
				}
			}
			if len(homes[v6]) != 3 {
				t.Errorf("IPv6 %v: %d clients have homes %v, want all three servers", v6, hostClients, homes[v6])
			}
		}
		h.ip("-n "+h.servers, "link set dev s1 down")
		slowest, slow := time.Duration(0), 0
		for i, at := range home[false] {
			began := time.Now()
			got := h.mustCurl(i, false)
			took := time.Since(began)
			switch {
			case at == "b" && got == "b":
				t.Errorf("client %d is served by a server whose link is down", i)
			case at != "b" && got != at:
				t.Errorf("client %d of a living server moved from %q to %q", i, at, got)
			}
			if slowest = max(slowest, took); took > 900*time.Millisecond {
				slow++
			}
		}
		if slowest > 3*time.Second || slow > 2 {
			t.Errorf("%d clients waited, the longest %v; want one or two that meet the dark server first, for 1 s", slow, slowest)
		}
		h.ip("-n "+h.servers, "link set dev s1 up")
		for i, at := range home[false] {
			eventually(t, 30*time.Second, fmt.Sprintf("client %d is back home", i), func() bool { return h.mustCurl(i, false) == at })
		}
		shown(t, "%s: three namespaces: %d clients of both families stick; a dark server's clients are served within %.1f s, and are home when it is back",
			poller, 2*hostClients, slowest.Seconds())
	})
}

// A client that vanishes in the middle of a download, with no FIN and no RST, is let go after the user timeout, and so is its server.
func TestNetnsVanishedClient(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		h := makeHosts(t, poller)
		nginxes, addresses := h.serve()
		for _, n := range nginxes {
			if err := os.WriteFile(filepath.Join(n.dir, "large"), make([]byte, 64<<20), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b := launch{poller: poller, listen: farmPort, under: in(h.balancer), servers: addresses, flags: []string{"--user-timeout", "2"}}.start(t)
		words := in(h.clients, "curl", "--silent", "--max-time", "60", "--limit-rate", "1m", "--output", "/dev/null", "http://192.0.2.100:"+farmPort+"/files/large")
		download := exec.Command(words[0], words[1:]...)
		download.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := download.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = download.Process.Kill()
			_ = download.Wait()
		}()
		eventually(t, 10*time.Second, "the download has both its connections", func() bool { return b.sockets() >= b.idle+2 })
		h.ip("-n "+h.balancer, "link set dev front down")
		began := time.Now()
		eventually(t, 20*time.Second, "pen has let go of the client and its server", func() bool { return b.sockets() <= b.idle })
		shown(t, "%s: a client that vanished during a download was let go after %.1f s (--user-timeout 2)", poller, time.Since(began).Seconds())
	})
}
