package control

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The replies were recorded from Debian's pen 0.34.1 run with -P: the same commands on the same servers. The verdicts are ours.
// PEN.md B10, B11: where Pen crashes or miscounts, the reply is what it would have been.
func TestEveryReplyIsPens(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "127.0.0.1:21011", "127.0.0.1:21012:1:2:3:4", "[::1]:21013")
	const free = "Connection 0:\nstate = 0\ndownfd = -1, upfd = -1\nclient = 0, server = 0\npend = 0\n"
	for _, c := range []struct{ line, reply, verdict string }{
		{"", "", ""},
		{"   ", "", ""},
		{"# hello", "", ""},
		{"  # c", "", ""},
		{"frob x", "do_cmd: ignoring command starting with 'frob'\n", "unknown word"},
		{"nohash", "do_cmd: ignoring command starting with 'nohash'\n", "unknown word"},
		{"mode\t", "do_cmd: ignoring command starting with 'mode\t'\n", "unknown word"},
		{"no", "", "missing"},
		{"no frob", "", `"frob" cannot be negated`},

		{"acl", "", "missing"}, // PEN.md B10 and its kin: a word without its arguments
		{"acl 3", "", "expected permit|deny"},
		{"acl 3 permit", "", "expected address"},
		{"acl 3 permit 1.2.3.4", "", ""},
		{"acl 3 frob 1.2.3.4", "", "acl: expected permit|deny"},
		{"acl x permit 1.2.3.4", "", `"x" is not a whole number`},
		{"acl 10 permit 1.2.3.4", "", "add_acl: 10 outside (0,10)"},
		{"acl -1 permit 1.2.3.4", "", "add_acl: -1 outside (0,10)"},
		{"acl 1 deny bogus", "", "acl: bogus address 'bogus'"},
		{"acl 1 deny 1.2.3.4 bogus", "", "acl: bogus mask 'bogus'"},
		{"acl 1 permit 2001:db8::1/64", "", ""},
		{"acl 1 permit country SE", "", ""},
		{"acl 4 permit 1.2.3.4 255.255.255.0 junk", "", ""},
		{"no acl", "", "missing"}, // PEN.md B10
		{"no acl 99", "", "del_acl: 99 outside (0,10)"},
		{"no acl 4", "", ""},

		{"blacklist", "30\n", ""},
		{"blacklist 17", "17\n", ""},
		{"blacklist abc", "0\n", `"abc" is not a whole number`},
		{"blacklist 1e3", "1\n", "whole number"},
		{"blacklist +7", "7\n", ""},
		{"blacklist 30 40", "30\n", ""},
		{"client_acl", "0\n", ""},
		{"client_acl 3", "3\n", ""},
		{"client_acl 10", "0\n", "10 is not one of 0 to 9"},
		{"client_acl -1", "0\n", "-1 is not one of 0 to 9"},
		{"client_acl x", "0\n", "whole number"},
		{"control_acl", "0\n", ""},
		{"control_acl 4", "4\n", ""},
		{"control_acl 99", "0\n", "99"},
		{"clients_max", "2048\n", ""},
		{"clients_max 10", "2048\n", ""},
		{"clients_max 3000", "3000\n", ""},
		{"conn_max", "500\n", ""},
		{"conn_max 10", "500\n", ""},
		{"conn_max 600", "600\n", ""},
		{"close", "Forcibly closing connection 0\n", "there is no connection 0"},
		{"close 5", "Forcibly closing connection 5\n", "there is no connection 5"},
		{"close 700", "Connection 700 out of range\n", "out of range"},
		{"close -1", "Connection -1 out of range\n", "out of range"},
		{"connection", free, ""},
		{"connection 700", "Connection 700 out of range\n", "out of range"},
		{"connection -1", "Connection -1 out of range\n", "out of range"},
		{"connection x", free, "whole number"},
		{"control", "127.0.0.1:21999\n", ""},
		{"control foo", "127.0.0.1:21999\n", ""},
		{"debug", "0\n", ""},
		{"debug 2", "2\n", ""},
		{"debug -1", "-1\n", ""},
		{"debug x", "0\n", "whole number"},
		{"dsr_if", "", "not supported yet: dsr_if"},
		{"dsr_ip 1.2.3.4", "", "not supported yet: dsr_ip"},

		{"hash", "", ""},
		{"mode", "hash no roundrobin no stubborn no weight no prio\n", ""},
		{"no  hash", "", ""},
		{"  mode", "no hash no roundrobin no stubborn no weight no prio\n", ""},
		{"exit", "Exit is not enabled; restart with -X flag\n", "-X"},
		{"exit now", "Exit is not enabled; restart with -X flag\n", "-X"},
		{"idle_timeout", "Idle timeout: 0 seconds\n", ""},
		{"idle_timeout 10", "Idle timeout: 10 seconds\n", ""},
		{"idle_timeout -3", "Idle timeout: 0 seconds\n", "negative"},
		{"idle_timeout x", "Idle timeout: 0 seconds\n", "whole number"},
		{"idlers", "Idlers: 1/0\n", ""},
		{"idlers 2", "Idlers: 1/2\n", ""},
		{"idlers x", "Idlers: 1/0\n", "whole number"},
		{"include", "", "missing"},
		{"include /nonexistent", "", "Can't read config file '/nonexistent'"},
		{"listen", "127.0.0.1:21001\n", ""},
		{"listen 127.0.0.1:21002", "127.0.0.1:21002\n", ""},
		{"listen 21003", "21003\n", ""},
		{"listen *:21004", "*:21004\n", ""},
		{"listen [::1]:21005", "[::1]:21005\n", ""},
		{"listen /tmp/l.sock", "/tmp/l.sock\n", ""},
		{"listen 127.0.0.1:21001", "127.0.0.1:21001\n", ""},
		{"log", "", ""},
		{"log /tmp/log1", "/tmp/log1\n", ""},
		{"log", "/tmp/log1\n", ""},
		{"log localhost:10000", "localhost\n", ""},
		{"log", "localhost\n", ""},
		{"no log x", "", ""},
		{"log", "", ""},
		{"pending_max", "", ""},
		{"pending_max 20", "", ""},
		{"pending_max 0", "", "0"},
		{"pid", fmt.Sprintf("%d\n", os.Getpid()), ""},
		{"recent", "", ""},
		{"roundrobin", "", ""},
		{"mode x", "no hash roundrobin no stubborn no weight no prio\n", ""},
		{"no roundrobin", "", ""},

		{"servers", "0 addr 127.0.0.1 port 21011 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n1 addr 127.0.0.1 port 21012 conn 0 max 1 hard 2 weight 3 prio 4 sx 0 rx 0\n2 addr ::1 port 21013 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n", ""},
		{"server 0 max 7 hard 9", "", ""},
		{"server 5 address 10.0.0.1 port 80 blacklist 100", "", ""},
		{"server 3", "", ""},
		{"server 1 frob 3 weight 77", "", "unknown setting"},
		{"server 1 address nosuchhost.invalid weight 99", "", "look up nosuchhost.invalid"},
		{"server 0 address [::1] weight 99", "", "neither an address nor a host name"},
		{"server 0 address 10.0.0.1:81 weight 99", "", "neither an address nor a host name"},
		{"server 0 max", "", "max: value is missing"},
		{"server 2 weight 3 max", "", "max: value is missing"},
		{"server 2 acl", "", "missing"},
		{"server", "", "missing"},
		{"server x max 3", "", "whole number"},
		{"server -1 port 99", "", "-1 is not one of 0 to 4095"},
		{"server 4096", "", "4096"},
		{"server 0 acl 10", "", "10"}, // PEN.md B10
		{"server 6 port 80 max 2", "", "port: the server has no address yet"},
		{"server 6 address 1.2.3.4", "", ""},
		{"server 7 address /tmp/x.sock", "", ""},
		{"server 7 port 99", "", ""},
		{"server 8 address 10.0.0.2 address 10.0.0.3 port 21012", "", ""},
		{"server  0   max  8", "", ""},
		{"servers", "0 addr 127.0.0.1 port 21011 conn 0 max 8 hard 9 weight 0 prio 0 sx 0 rx 0\n1 addr 127.0.0.1 port 21012 conn 0 max 1 hard 2 weight 77 prio 4 sx 0 rx 0\n2 addr ::1 port 21013 conn 0 max 0 hard 0 weight 3 prio 0 sx 0 rx 0\n" +
			"3 addr (unknown address family 0 port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n4 addr (unknown address family 0 port 0 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n" +
			"5 addr 10.0.0.1 port 80 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n6 addr 1.2.3.4 port 0 conn 0 max 2 hard 0 weight 0 prio 0 sx 0 rx 0\n7 addr /tmp/x.sock port 1 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n" +
			"8 addr 10.0.0.3 port 21012 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n", ""},
		{"socket", "Socket 0 belongs to connection -1\n", ""},
		{"socket 100000", "Socket 100000 belongs to connection -1\n", ""},
		{"socket -1", "Socket -1 belongs to connection -1\n", ""},
		{"source", "", "missing"}, // PEN.md B10
		{"source 127.0.0.1", "", ""},
		{"source bogus", "unable to set source address to 'bogus'", "look up bogus"},
		{"status", "Unable to create webstats\n", "web_stats"},
		{"stubborn", "", ""},
		{"mode", "no hash no roundrobin stubborn no weight no prio\n", ""},
		{"no stubborn", "", ""},
		{"ssl_ciphers", "", "not supported yet: ssl_ciphers"},
		{"ssl_option no_sslv2", "", "not supported yet"},
		{"ssl_sni_path /tmp", "", "not supported yet"},
		{"ssl_ocsp_response", "", "not supported yet"},                 // PEN.md B10
		{"ssl_client_renegotiation_interval", "", "not supported yet"}, // PEN.md B10
		{"tarpit_acl", "tarpit_acl = -1", ""},
		{"tarpit_acl 3", "tarpit_acl = 3", "not supported yet"},
		{"tarpit_acl 77", "tarpit_acl = 0", "not supported yet"},
		{"tarpit_acl -1", "tarpit_acl = -1", "not supported yet"},
		{"tcp_fastclose", "do_cmd: ignoring tcp_fastclose without argument\n", "missing"},
		{"tcp_fastclose up", "", ""},
		{"tcp_fastclose bogus", "", "bogus"},
		{"timeout", "3\n", ""},
		{"timeout 5", "5\n", ""},
		{"timeout 3", "3\n", ""},
		{"tracking", "0\n", ""},
		{"tracking 10", "10\n", ""},
		{"tracking 0", "0\n", ""},
		{"web_stats", "", ""},
		{"web_stats /tmp/web.html", "/tmp/web.html\n", ""},
		{"web_stats", "/tmp/web.html\n", ""},
		{"status", "<html>", ""},
		{"no web_stats", "", ""},
		{"web_stats", "", ""},
		{"write", "", "no file"},
		{"write /nonexistent/x", "", "/nonexistent"},
		{"mode\r\npid", "no hash no roundrobin no stubborn no weight no prio\n", ""},
		{"mode\x00xyz", "no hash no roundrobin no stubborn no weight no prio\n", ""},
		{"\nmode", "", ""},
	} {
		w.page = "<html>"
		reply, err := in.Do(c.line, Trusted)
		equal(t, c.line, reply, c.reply)
		switch {
		case c.verdict == "" && err != nil:
			t.Errorf("%s: %v", c.line, err)
		case c.verdict != "" && (err == nil || !strings.Contains(err.Error(), c.verdict)):
			t.Errorf("%s: verdict %v, want %q", c.line, err, c.verdict)
		}
	}
	for _, name := range []string{"epoll", "poll", "select", "kqueue"} {
		equal(t, name, do(t, in, name), "")
	}
	for name, field := range switches {
		equal(t, name, do(t, in, name), "")
		if s := in.State(); !*field(&s) {
			t.Errorf("%s is not on", name)
		}
		equal(t, "no "+name, do(t, in, "no "+name), "")
		if s := in.State(); *field(&s) {
			t.Errorf("%s is not off", name)
		}
	}
}
