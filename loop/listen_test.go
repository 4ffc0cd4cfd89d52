package loop

import (
	"net/netip"
	"testing"
)

func TestEndpointIsAt(t *testing.T) {
	for _, c := range []struct {
		wants    string // "" a Unix socket at /s
		dual     bool
		at, path string
		is       bool
	}{
		{"127.0.0.1:80", false, "127.0.0.1:80", "", true},
		{"127.0.0.1:80", false, "127.0.0.1:81", "", false},
		{"127.0.0.1:80", false, "127.0.0.2:80", "", false},
		{"0.0.0.0:80", false, "[::]:80", "", false},
		{"[::]:80", false, "0.0.0.0:80", "", false},
		{"[::]:80", true, "[::]:80", "", true},
		{"[::]:80", true, "0.0.0.0:80", "", true},
		{"[::]:80", true, "127.0.0.1:80", "", false},
		{"[fe80::1%eth0]:80", false, "[fe80::1]:80", "", true},
		{"", false, "", "/s", true},
		{"", false, "", "/other", false},
		{"", false, "127.0.0.1:80", "", false},
		{"127.0.0.1:80", false, "", "/s", false},
	} {
		e := Endpoint{Path: "/s"}
		if c.wants != "" {
			e = Endpoint{IP: netip.MustParseAddrPort(c.wants), DualStack: c.dual}
		}
		var at netip.AddrPort
		if c.path == "" {
			at = netip.MustParseAddrPort(c.at)
		}
		if got := e.IsAt(at, c.path); got != c.is {
			t.Errorf("%v (dual-stack %v) is at %v %s: %v", e, c.dual, at, c.path, got)
		}
	}
}
