package e2e

import (
	"fmt"
	"testing"
)

// callers is how many clients call.
const callers = 4

// Addresses of the topology of hosts that only these tests use, on the link of server a.
const (
	serverV4, serverV6     = "198.51.100.2:80", "[2001:db8:2::2]:80"
	balancerV4, balancerV6 = "198.51.100.1", "2001:db8:2::1"
	sourceV4, sourceV6     = "203.0.113.5", "2001:db8:5::5"
)

// route gives the link of server a IPv6 too, and leads what the server sends to anybody through the balancer, which takes all of it for its own:
// answers to a client's address are for the socket that pen has bound to it, and are not to be passed on.
func (h *hosts) route() {
	h.t.Helper()
	h.ip("-n "+h.balancer, "address add "+balancerV6+"/64 dev back0 nodad", "address add "+sourceV4+"/32 dev lo", "address add "+sourceV6+"/128 dev lo nodad",
		"rule add iif back0 lookup 100", "route add local 0.0.0.0/0 dev lo table 100")
	h.ip("-6 -n "+h.balancer, "rule add iif back0 lookup 100", "route add local ::/0 dev lo table 100")
	h.ip("-n "+h.servers, "address add 2001:db8:2::2/64 dev s0 nodad", "route add default via "+balancerV4+" dev s0")
	h.ip("-6 -n "+h.servers, "route add default via "+balancerV6+" dev s0")
}

// mirrors starts the two servers, which answer with the address that they were called from.
func (h *hosts) mirrors() {
	h.t.Helper()
	for _, address := range []string{serverV4, serverV6} {
		startNginx(h.t, "$remote_addr", address, in(h.servers)...)
	}
}

// With `transparent` a server sees the client's own address, over IPv4 and IPv6; across the families it cannot, and the client is served all the same.
func TestNetnsTransparent(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		h := makeHosts(t, poller)
		h.route()
		h.mirrors()
		for _, c := range []struct {
			server           string
			v6               bool
			clients, instead string
		}{
			{serverV4, false, "192.0.2.%d", ""},
			{serverV6, true, "2001:db8:1::%d", ""},
			{serverV4, true, "", balancerV4},
			{serverV6, false, "", balancerV6},
		} {
			b := launch{poller: poller, listen: farmPort, under: in(h.balancer), servers: []string{c.server}, flags: []string{"-O", "transparent"}}.start(t)
			for i := range callers {
				want := c.instead
				if c.clients != "" {
					want = fmt.Sprintf(c.clients, 1+i)
				}
				for range 2 {
					if got := h.mustCurl(i, c.v6); got != want {
						t.Errorf("server %s sees client %d (IPv6: %v) as %s, want %s", c.server, i, c.v6, got, want)
					}
				}
			}
			b.finish()
		}
		shown(t, "%s: transparent: a server behind pen sees each of %d clients' own address, over IPv4 and IPv6", poller, callers)
	})
}

// `source` is the address that servers see, whoever the client is, `transparent` or not; the port is the kernel's to choose, so that any number of connections go (PEN.md B13).
func TestNetnsTransparentSource(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		h := makeHosts(t, poller)
		h.route()
		h.mirrors()
		for server, source := range map[string]string{serverV4: sourceV4, serverV6: sourceV6} {
			b := launch{poller: poller, listen: farmPort, under: in(h.balancer), servers: []string{server},
				flags: []string{"-O", "source " + source, "-O", "transparent"}}.start(t)
			for i := range callers {
				for range 2 {
					if got := h.mustCurl(i, i%2 == 1); got != source {
						t.Errorf("server %s sees client %d as %s, want %s", server, i, got, source)
					}
				}
			}
			b.finish()
		}
	})
}
