package control

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Where a value of Pen's would be nonsense the value in force stays, and the reply tells that one. Each is a deliberate difference.
func TestNonsenseIsRefused(t *testing.T) {
	in := farm(t, newWorld(), Config{}, "127.0.0.1:21011")
	for _, c := range []struct{ line, reply string }{
		{"timeout 0", "3\n"},
		{"timeout -1", "3\n"},
		{"blacklist -4", "0\n"},
		{"tracking -10", "0\n"},
		{"idlers -1", "Idlers: 1/0\n"},
		{"close x", "Connection x out of range\n"},
		{"listen bogus:", "127.0.0.1:21001\n"},
		{"listen a:b:c", "127.0.0.1:21001\n"},
		{"blacklist 99999999999", "2147483647\n"},
		{"server 0 port 70000", ""},
		{"server 0 port -1", ""},
		{"server 0 max -1", ""},
	} {
		reply, err := in.Do(c.line, Trusted)
		if equal(t, c.line, reply, c.reply); err == nil {
			t.Errorf("%s: no error", c.line)
		}
	}
	if s := in.State().Plan.Servers[0]; s.Addr.IP != netip.MustParseAddrPort("127.0.0.1:21011") || s.Soft != 0 {
		t.Errorf("server 0 is now %+v", s)
	}
}

func TestOurOwnWords(t *testing.T) {
	in := farm(t, newWorld(), Config{}, "127.0.0.1:21011")
	for _, c := range []struct{ line, reply, verdict string }{
		{"user_timeout", "0\n", ""},
		{"user_timeout 2.5", "2.5\n", ""},
		{"queue", "0\n", ""},
		{"queue 5", "5\n", ""},
		{"queue -1", "5\n", "-1 is not one of 0 to 2147483647"},
		{"queue_timeout 0.25", "0.25\n", ""},
		{"queue_timeout 0", "0.25\n", `"0" is too short a time`},
		{"on_no_server", "accept\n", ""},
		{"on_no_server reset", "reset\n", ""},
		{"on_no_server maybe", "reset\n", `"maybe" is not accept, reset or close-listener`},
		{"timeout 0.25", "0.25\n", ""},
		{"first_byte_timeout 10", "10\n", ""},
		{"half_closed_timeout 600", "600\n", ""},
		{"stall_timeout 0.5", "0.5\n", ""},
		{"lifetime 86400", "86400\n", ""},
		{"lifetime -1", "0\n", "negative"},
		{"accept_rate", "0\n", ""},
		{"accept_rate 200", "200:20\n", ""},
		{"accept_rate 5", "5:1\n", ""},
		{"accept_rate 200:1", "200:1\n", ""},
		{"accept_rate 200:0", "200:1\n", "N:BURST"},
		{"accept_rate :9", "200:1\n", "N:BURST"},
		{"accept_rate 7:", "200:1\n", "N:BURST"},
		{"accept_rate 1000001", "200:1\n", "1000000"},
		{"accept_rate 0", "0\n", ""},
		{"track_prefix", "32/128\n", ""},
		{"track_prefix 24/64", "24/64\n", ""},
		{"track_prefix 33/64", "24/64\n", "33/64"},
		{"track_prefix 24", "24/64\n", "24"},
		{"track_prefix 0/64", "24/64\n", "0/64"},
		{"client_conns", "0\n", ""},
		{"client_conns 5", "5\n", ""},
		{"client_conns -1", "5\n", "want 1 to 65535"},
		{"client_conns 65536", "5\n", "want 1 to 65535"},
		{"client_conns many", "5\n", "whole number"},
		{"client_conns 0", "0\n", ""},
		{"client_rate", "0\n", ""},
		{"client_rate 20/s", "20/s:40\n", ""},
		{"client_rate 100/m:5", "100/m:5\n", ""},
		{"client_rate 20/d", "100/m:5\n", "is not a rate"},
		{"client_rate 1/h:2", "100/m:5\n", "want at most 1"},
		{"client_rate 0", "0\n", ""},
		{"client_limit", "reject\n", ""},
		{"client_limit tarpit", "tarpit\n", ""},
		{"client_limit abuse", "abuse\n", ""},
		{"client_limit drop", "abuse\n", "is not reject, tarpit or abuse"},
		{"client_exempt", "", ""},
		{"client_exempt 3", "3\n", ""},
		{"client_exempt 10", "3\n", "10 is not one of 0 to 9"},
		{"no client_exempt", "", ""},
		{"client_exempt", "", ""},
		{"emergency", "", ""},
		{"emergency localhost:80:1:2", "localhost:80:1:2:0:0\n", ""},
		{"emergency [::1]", "[::1]:21001\n", ""},
		{"emergency /run/e.sock", "/run/e.sock\n", ""},
		{"emergency nowhere:80", "/run/e.sock\n", "nowhere"},
		{"emergency localhost:0", "/run/e.sock\n", "port"},
		{"emergency localhost:80:x", "/run/e.sock\n", "whole number"},
		{"emergency localhost:80:1:1:1:1:1", "/run/e.sock\n", "more than"},
		{"no emergency", "", ""},
		{"emergency", "", ""},
		{"abuse 10.0.0.9:25", "10.0.0.9:25\n", ""},
		{"no abuse", "", ""},
		{"keepalive x", "", "whole number"},
	} {
		reply, err := in.Do(c.line, Trusted)
		equal(t, c.line, reply, c.reply)
		if (err != nil) != (c.verdict != "") || err != nil && !strings.Contains(err.Error(), c.verdict) {
			t.Errorf("%s: verdict %v, want %q", c.line, err, c.verdict)
		}
	}
	for _, c := range []struct {
		line string
		want time.Duration
	}{{"keepalive", 60 * time.Second}, {"keepalive 9", 9 * time.Second}, {"keepalive", 9 * time.Second}, {"no keepalive", 0}} {
		do(t, in, c.line)
		if got := in.State().Plan.Keepalive; got != c.want {
			t.Errorf("%s: keepalive is %v", c.line, got)
		}
	}
	do(t, in, "pen_hash")
	equal(t, "mode after pen_hash", do(t, in, "mode"), "hash no roundrobin no stubborn no weight no prio\n")
	do(t, in, "no hash")
	if in.State().Plan.PenHash {
		t.Error("Pen's hash is on and hash is off")
	}
}

func TestWhatTheWorldRefusesChangesNothing(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "127.0.0.1:21011")
	w.refuse = errors.New("address in use")
	before := in.State()
	for line, reply := range map[string]string{"listen 21002": "127.0.0.1:21001\n", "conn_max 1000": "500\n", "log /tmp/x": "", "server 0 port 9": ""} {
		got, err := in.Do(line, Trusted)
		if equal(t, line, got, reply); !errors.Is(err, w.refuse) {
			t.Errorf("%s: %v", line, err)
		}
	}
	same(t, in.State(), before)
}

// PEN.md B10: words without their arguments crash Pen, and a server's list may lie out of bounds.
func TestNoWordCrashesWithoutArguments(t *testing.T) {
	in := farm(t, newWorld(), Config{}, "127.0.0.1:21011")
	for name := range words {
		for _, line := range []string{name, "no " + name, "no no " + name, name + " x", name + " -1", name + " 99999999999"} {
			in.Do(line, Network) // the verdicts are looked at elsewhere
		}
	}
	do(t, in, "roundrobin") // it still runs
	reply, err := in.Do("server 0 acl 10", Trusted)
	if s := in.State(); s.Plan.Servers[0].ACL != 0 || reply != "" || err == nil {
		t.Errorf("list %d, %q, %v", s.Plan.Servers[0].ACL, reply, err)
	}
}

// PEN.md B14: conn_max at run time writes past what was allocated. Here it is one more state, and the one before it stays as it was.
func TestConnMaxGrowsAtRunTime(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "127.0.0.1:21011")
	before := in.State()
	equal(t, "conn_max 9999", do(t, in, "conn_max 9999"), "9999\n")
	if n, _ := w.count(); n != 1 || w.applied[0].Plan.MaxConns != 9999 || before.Plan.MaxConns != 500 {
		t.Errorf("%d applied, conn_max was %d", n, before.Plan.MaxConns)
	}
}

// What the operator gave on the command line is claimed for and checked at the start.
func TestStartClaimsAndValidates(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "10.0.0.1:80", "10.0.0.1:80")
	if s := in.State().Plan.Servers; s[0].ID == 0 || s[1].ID == s[0].ID || s[1].Name != "10.0.0.1:80#2" {
		t.Errorf("servers %+v", s)
	}
	bad := pens()
	bad.Plan.BlacklistTime = -1
	bad.Plan.Servers = in.State().Plan.Servers
	if err := New(w, bad, Config{}).Start(); err == nil || !strings.Contains(err.Error(), "blacklist time") {
		t.Errorf("a bad state starts: %v", err)
	}
}
