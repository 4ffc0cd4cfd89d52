package config

import (
	"slices"
	"testing"
)

func TestFlagsBehindCommands(t *testing.T) {
	tests := []struct{ args, want []string }{
		{[]string{"-b", "7", "-O", "blacklist 5"}, []string{"blacklist 5"}},
		{[]string{"-O", "blacklist 5", "-b", "7"}, []string{"blacklist 5", "blacklist 7"}},
		{[]string{"-o", "blacklist 5", "--blacklist=0.5", "--command", "blacklist"}, []string{"blacklist 5", "blacklist 0.5", "blacklist"}},
		{[]string{"-O", "", "-b", ".50"}, []string{"", "blacklist 0.5"}},
		{[]string{"-O", "a", "-T", "9", "-O", "b", "-T", "8"}, []string{"a", "tracking 9", "b", "tracking 8"}},
		{[]string{"-O", "a", "-c", "9"}, []string{"a", "clients_max 9"}},
		{[]string{"-O", "a", "-c", "0"}, []string{"a"}},
		{[]string{"-O", "a", "-x", "9"}, []string{"a", "conn_max 9"}},
		{[]string{"-O", "a", "-x", "00"}, []string{"a"}},
		{[]string{"-O", "a", "-t", "4"}, []string{"a", "timeout 4"}},
		{[]string{"-O", "a", "-t", "4.000"}, []string{"a", "timeout 4"}},
		{[]string{"-O", "a", "-t", "0.5"}, []string{"a"}},
		{[]string{"-O", "a", "-r"}, []string{"a", "roundrobin"}},
		{[]string{"-O", "a", "--roundrobin=false"}, []string{"a", "no roundrobin"}},
		{[]string{"-O", "a", "-rWhsHa"}, []string{"a", "roundrobin", "weight", "hash", "stubborn", "http", "ascii"}},
		{[]string{"-rO", "no roundrobin", "-r"}, []string{"no roundrobin", "roundrobin"}},
		{[]string{"-O", "a", "--prio", "--least-conn", "--pen-hash"}, []string{"a", "prio", "least_conn", "pen_hash"}},
		{[]string{"-O", "a", "--nagle", "--nagle=false"}, []string{"a", "no tcp_nodelay", "tcp_nodelay"}},
		{[]string{"-O", "a", "--queue", "0", "--queue-timeout", "1.5", "--on-no-server", "reset"}, []string{"a", "queue 0", "queue_timeout 1.5", "on_no_server reset"}},
		{[]string{"-O", "a", "--idle-timeout", "1.5", "--keepalive", "0", "--user-timeout", "2"}, []string{"a", "idle_timeout 1.5", "keepalive 0", "user_timeout 2"}},
		{[]string{"-O", "a", "--first-byte-timeout", "3", "--half-closed-timeout", "4", "--stall-timeout", "5", "--lifetime", "6", "--accept-rate", "7:8"},
			[]string{"a", "first_byte_timeout 3", "half_closed_timeout 4", "stall_timeout 5", "lifetime 6", "accept_rate 7:8"}},
		{[]string{"-O", "a", "--track-prefix", "24/64"}, []string{"a", "track_prefix 24/64"}},
		{[]string{"-O", "a", "--client-conns", "5", "--client-rate", "20/s", "--client-limit", "tarpit", "--client-exempt", "3", "--client-exempt", "none"},
			[]string{"a", "client_conns 5", "client_rate 20/s", "client_limit tarpit", "client_exempt 3", "no client_exempt"}},
		{[]string{"-O", "a", "-l", "/log", "-w", "/html"}, []string{"a", "log /log", "web_stats /html"}},
		{[]string{"-O", "a", "-l", "/a log", "-w", "/h\ntml"}, []string{"a"}}, // no command can say these
		{[]string{"-O", "a", "-d"}, []string{"a", "debug 1"}},
		{[]string{"-d", "-O", "a", "-dd"}, []string{"a", "debug 2", "debug 3"}},
		{[]string{"-O", "debug 5", "-d"}, []string{"debug 5", "debug 6"}}, // as the oracle
		{[]string{"-d", "-O", "debug", "-d"}, []string{"debug", "debug 2"}},
		{[]string{"-O", "debug 5", "--debug=2", "-d"}, []string{"debug 5", "debug 2", "debug 3"}},
		{[]string{"-O", "debug much", "-d"}, []string{"debug much", "debug 1"}},
		{[]string{"-O", "a", "-fPX", "-C", "1", "-F", "f", "-p", "p", "-q", "60", "-e", "10.0.0.9", "-S", "7", "--version=false"}, []string{"a"}}, // no words for these
	}
	for _, test := range tests {
		o, err := Parse("pen", append(test.args, "80"))
		if err != nil || !slices.Equal(o.Commands, test.want) {
			t.Errorf("%q: %v\ngot  %q\nwant %q", test.args, err, o.Commands, test.want)
		}
	}
}

// TestFlagsBehindCommandsStayFlags: the plan for descriptors and memory is made before any command is run.
func TestFlagsBehindCommandsStayFlags(t *testing.T) {
	o := parse(t, "-O pid -x 9 -c 8 -dd -l /log 80")
	if o.MaxConns != 9 || !o.maxConnsGiven || o.Clients != 8 || o.Debug != 2 || o.AccessLog != "/log" {
		t.Errorf("got %+v", o)
	}
}

// TestSpokenFlagsExist keeps the table of words from naming flags that are no more.
func TestSpokenFlagsExist(t *testing.T) {
	for name := range spoken {
		if !slices.ContainsFunc(define(new(Options), new(bool)), func(s section) bool { return s.flags.Lookup(name) != nil }) {
			t.Errorf("--%s is no flag", name)
		}
	}
}
