package config

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	addr := netip.MustParseAddrPort
	tests := []struct {
		text string
		want Server
		full string // what String says
	}{
		{"www1", Server{Host: "www1", Port: 80}, "www1:80"},
		{"www1.example_x.com:8000", Server{Host: "www1.example_x.com", Port: 8000}, "www1.example_x.com:8000"},
		{"www1:http", Server{Host: "www1", Port: 80}, "www1:80"},
		{"www1:1:2", Server{Host: "www1", Port: 1, Soft: 2}, "www1:1:2:0:0:0"},
		{"www1:1:2:3:4:5", Server{Host: "www1", Port: 1, Soft: 2, Hard: 3, Weight: 4, Prio: 5}, "www1:1:2:3:4:5"},
		{"10.0.0.1:65535", Server{Host: "10.0.0.1", Port: 65535, Addr: addr("10.0.0.1:65535")}, "10.0.0.1:65535"},
		{"[::1]", Server{Host: "::1", Port: 80, Addr: addr("[::1]:80")}, "[::1]:80"},
		{"[2001:db8::1]:443:0:0:0:7", Server{Host: "2001:db8::1", Port: 443, Addr: addr("[2001:db8::1]:443"), Prio: 7}, "[2001:db8::1]:443:0:0:0:7"},
		{"[fe80::1%eth0]:1", Server{Host: "fe80::1%eth0", Port: 1, Addr: addr("[fe80::1%eth0]:1")}, "[fe80::1%eth0]:1"},
		{"[::ffff:10.0.0.1]:1", Server{Host: "::ffff:10.0.0.1", Port: 1, Addr: addr("10.0.0.1:1")}, "[::ffff:10.0.0.1]:1"},
		{"/run/www.sock", Server{Path: "/run/www.sock"}, "/run/www.sock"},
		{"./www.sock", Server{Path: "./www.sock"}, "./www.sock"},
	}
	for _, test := range tests {
		test.want.Text = test.text
		got, err := ParseServer(test.text, 80)
		if err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v; want %+v", test.text, got, err, test.want)
		}
		if got.String() != test.full {
			t.Errorf("%s: String is %s, want %s", test.text, got, test.full)
		}
	}
}

func TestParseServerRefuses(t *testing.T) {
	const (
		isPort   = "port must be 1..65535"
		isName   = "port must be 1..65535 or the name of a service"
		isHost   = "host must be a name or an address"
		isIPv4   = "host must be a name or an address; an IPv4 address has four numbers in 0..255"
		isBraced = "brackets must hold an IPv6 address, as in [::1]:80"
		isShape  = "must be host[:port[:soft[:hard[:weight[:prio]]]]]"
	)
	tests := []struct{ text, want string }{
		{"", "host is missing"},
		{":80", "host is missing"},
		{"www1:", isPort},
		{"www1:0", isPort},
		{"www1:65536", isPort},
		{"www1:99999999999999999999", isPort},
		{"www1:-1", isPort},
		{"www1:+80", isPort},
		{"www1: 80", isPort},
		{"www1:no-such-service", isName},
		{"www1::10", isPort},
		{"www1:80:", "soft limit must be a whole number in 0..2147483647"},
		{"www1:80:-1", "soft limit must be a whole number in 0..2147483647"},
		{"www1:80:0:2147483648", "hard limit must be a whole number in 0..2147483647"},
		{"www1:80:0:0:1.5", "weight must be a whole number in 0..2147483647"},
		{"www1:80:0:0:0:x", "prio must be a whole number in 0..2147483647"},
		{"www1:80:0:0:0:0:0", isShape},
		{"::1", "an IPv6 address must stand in brackets, as in [::1]:80"},
		{"2001:db8::1:80", "an IPv6 address must stand in brackets, as in [2001:db8::1:80]:80"},
		{"::%a\n", `an IPv6 address must stand in brackets, as in [::%a\n]:80`},
		{"[::1", isBraced},
		{"[10.0.0.1]:80", isBraced},
		{"[www1]:80", isBraced},
		{"[]:80", isBraced},
		{"[::1]80", "must have ':' or nothing after ']'"},
		{"[::1]:", isPort},
		{"[fe80::1%a b]:80", isHost},
		{"www 1:80", isHost},
		{"www%1:80", isHost},
		{"*:80", isHost},
		{strings.Repeat("a", 254), isHost},
		{"256.0.0.1:80", isIPv4},
		{"127.1:80", isIPv4},
		{"1:80", isIPv4},
		{"/run/www.sock:80", "a Unix socket takes no port and no numbers, and its path no ':'"},
		{"/run/\x00", "the path of a Unix socket must be 1..107 bytes, none of them 0"},
		{"/" + strings.Repeat("a", 107), "the path of a Unix socket must be 1..107 bytes, none of them 0"},
	}
	for _, test := range tests {
		got, err := ParseServer(test.text, 80)
		var usage *UsageError
		if got != (Server{}) || !errors.As(err, &usage) || !strings.HasSuffix(err.Error(), ": "+test.want) {
			t.Errorf("%q: got %+v, %v; want %s", test.text, got, err, test.want)
		}
	}
	if _, err := ParseServer("/"+strings.Repeat("a", 106), 80); err != nil {
		t.Errorf("a path that just fits: %v", err)
	}
}

func TestParseListen(t *testing.T) {
	addrs := func(text string) []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(text)} }
	tests := []struct {
		text string
		want Listen
		full string
	}{
		{"8080", Listen{Network: "tcp", Port: 8080, Addrs: addrs("[::]:8080"), DualStack: true}, "*:8080"},
		{"http", Listen{Network: "tcp", Port: 80, Addrs: addrs("[::]:80"), DualStack: true}, "*:80"},
		{"*:8080", Listen{Network: "tcp", Port: 8080, Addrs: addrs("[::]:8080"), DualStack: true}, "*:8080"},
		{"0.0.0.0:8080", Listen{Network: "tcp", Host: "0.0.0.0", Port: 8080, Addrs: addrs("0.0.0.0:8080")}, "0.0.0.0:8080"},
		{"[::]:8080", Listen{Network: "tcp", Host: "::", Port: 8080, Addrs: addrs("[::]:8080")}, "[::]:8080"},
		{"[::1]:8080", Listen{Network: "tcp", Host: "::1", Port: 8080, Addrs: addrs("[::1]:8080")}, "[::1]:8080"},
		{"www:8080", Listen{Network: "tcp", Host: "www", Port: 8080}, "www:8080"},
		{"/run/pen.sock", Listen{Network: "unix", Path: "/run/pen.sock"}, "/run/pen.sock"},
		{"/run/a:b", Listen{Network: "unix", Path: "/run/a:b"}, "/run/a:b"},
	}
	for _, test := range tests {
		test.want.Text = test.text
		got, err := ParseListen(test.text)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, %v; want %+v", test.text, got, err, test.want)
		}
		if got.String() != test.full {
			t.Errorf("%s: String is %s, want %s", test.text, got, test.full)
		}
	}
}

func TestParseListenRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "port must be 1..65535"},
		{"0", "port must be 1..65535"},
		{"70000", "port must be 1..65535"},
		{"localhost", "port must be 1..65535 or the name of a service"},
		{":8080", "host is missing"},
		{"www:", "port must be 1..65535"},
		{"www:80:1", "must be [host:]port or /path"},
		{"[::1]", "must be [host:]port or /path"},
		{"[::1]8080", "must have ':' or nothing after ']'"},
		{"::1", "an IPv6 address must stand in brackets, as in [::1]:80"},
		{"300.0.0.1:80", "host must be a name or an address; an IPv4 address has four numbers in 0..255"},
		{"/" + strings.Repeat("a", 107), "the path of a Unix socket must be 1..107 bytes, none of them 0"},
	}
	for _, test := range tests {
		got, err := ParseListen(test.text)
		if !reflect.DeepEqual(got, Listen{}) || ExitCode(err) != 64 || !strings.HasSuffix(err.Error(), ": "+test.want) {
			t.Errorf("%q: got %+v, %v; want %s", test.text, got, err, test.want)
		}
	}
}
