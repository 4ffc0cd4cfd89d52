package config

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parse reads a command line written with spaces.
func parse(t *testing.T, line string) *Options {
	t.Helper()
	o, err := Parse("pen", strings.Fields(line))
	if err != nil {
		t.Fatalf("pen %s: %v", line, err)
	}
	return o
}

// defaults is what `pen 8080 10.0.0.1` means, spelled out.
func defaults() Options {
	return Options{
		name: "pen", args: []string{"8080", "10.0.0.1"},
		Listen: Listen{
			Text: "8080", Network: "tcp", Port: 8080, DualStack: true,
			Addrs: []netip.AddrPort{netip.MustParseAddrPort("[::]:8080")},
		},
		Servers: []Server{{Text: "10.0.0.1", Host: "10.0.0.1", Port: 8080, Addr: netip.MustParseAddrPort("10.0.0.1:8080")}},

		Clients: 2048, Prefix: TrackPrefix{32, 128}, Blacklist: 30 * time.Second,
		MaxConns: 500, ConnectTimeout: 5 * time.Second, Backlog: 500, AcceptBatch: 100, Keepalive: time.Minute, UserTimeout: time.Minute,
		HalfClosedTimeout: 300 * time.Second, StallTimeout: 120 * time.Second, QueueTimeout: 10 * time.Second, OnNoServer: "accept",
		ClientRate: "0", ClientLimit: "reject", ClientExempt: -1, TarpitTime: 30 * time.Second,
		Splice: "auto", PipeSize: 512 << 10, Pipes: 128,
		Steer: "off", Congestion: "auto", Shortcuts: "on", SendBatch: "on", ReuseSockets: "off", Poller: "raw", LogFormat: "pen",
		Check: "tcp", CheckInterval: 2 * time.Second, CheckTimeout: time.Second, Rise: 2, Fall: 3,
		Seccomp: "off", Landlock: "off", Caps: "drop", Drain: 10 * time.Second,
	}
}

func TestDefaults(t *testing.T) {
	got := parse(t, "8080 10.0.0.1")
	if want := defaults(); !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

// TestFlags gives each flag in every spelling and says what differs from the defaults.
func TestFlags(t *testing.T) {
	tests := []struct {
		spellings string // separated by |
		change    func(o *Options)
	}{
		{"-r|--roundrobin|--roundrobin=true", func(o *Options) { o.RoundRobin = true }},
		{"-W|--weight", func(o *Options) { o.Weight = true }},
		{"--prio", func(o *Options) { o.Prio = true }},
		{"--least-conn", func(o *Options) { o.LeastConn = true }},
		{"-h|--hash", func(o *Options) { o.Hash = true }},
		{"--pen-hash|-h --pen-hash", func(o *Options) { o.PenHash, o.Hash = true, true }},
		{"-s|--stubborn", func(o *Options) { o.Stubborn = true }},
		{"-e 10.0.0.9:81:1:2:3:4|--emergency=10.0.0.9:81:1:2:3:4", func(o *Options) {
			o.Emergency = &Server{Text: "10.0.0.9:81:1:2:3:4", Host: "10.0.0.9", Port: 81, Addr: netip.MustParseAddrPort("10.0.0.9:81"), Soft: 1, Hard: 2, Weight: 3, Prio: 4}
		}},
		{"-e 10.0.0.9", func(o *Options) { // the listening port, which is read later
			o.Emergency = &Server{Text: "10.0.0.9", Host: "10.0.0.9", Port: 8080, Addr: netip.MustParseAddrPort("10.0.0.9:8080")}
		}},
		{"-e /run/sorry.sock", func(o *Options) { o.Emergency = &Server{Text: "/run/sorry.sock", Path: "/run/sorry.sock"} }},
		{"-b 7|-b7|-b=7|--blacklist 7|--blacklist=7", func(o *Options) { o.Blacklist = 7 * time.Second }},
		{"-b 0", func(o *Options) { o.Blacklist = 0 }},
		{"-c 10|--clients 10", func(o *Options) { o.Clients = 10 }},
		{"-c 010", func(o *Options) { o.Clients = 10 }}, // decimal, as atoi read it
		{"-T 60|--tracking 60", func(o *Options) { o.Tracking = time.Minute }},
		{"--client-conns 65535", func(o *Options) { o.ClientConns = 65535 }},
		{"--client-rate 20/s:50", func(o *Options) { o.ClientRate = "20/s:50" }},
		{"--client-limit tarpit", func(o *Options) { o.ClientLimit = "tarpit" }},
		{"--client-exempt 9", func(o *Options) { o.ClientExempt = 9 }},
		{"--client-exempt 3 --client-exempt none", func(*Options) {}},
		{"--tarpit-time 0.5", func(o *Options) { o.TarpitTime = 500 * time.Millisecond }},
		{"--tarpit-max 50", func(o *Options) { o.TarpitMax = 50 }},
		{"--track-prefix 24/64", func(o *Options) { o.Prefix = TrackPrefix{24, 64} }},
		{"-x 9|--max-conns 9|-x 3 -x 9", func(o *Options) { o.MaxConns, o.maxConnsGiven = 9, true }},
		{"-x 9 -x 0", func(o *Options) { o.MaxConns, o.maxConnsGiven = 9, true }}, // 0 changes nothing, as in Pen
		{"-x 0|-x 00", func(o *Options) {}},
		{"-c 9 -c 0", func(o *Options) { o.Clients = 9 }},
		{"-c 0", func(o *Options) {}},
		{"-x 500", func(o *Options) { o.maxConnsGiven = true }}, // the default, but asked for
		{"-t 0.5|-t .5|-t 0.500|--timeout 0.5", func(o *Options) { o.ConnectTimeout = 500 * time.Millisecond }},
		{"--idle-timeout 3600", func(o *Options) { o.IdleTimeout = time.Hour }},
		{"--first-byte-timeout 10", func(o *Options) { o.FirstByteTimeout = 10 * time.Second }},
		{"--half-closed-timeout 0", func(o *Options) { o.HalfClosedTimeout = 0 }},
		{"--stall-timeout 0.5", func(o *Options) { o.StallTimeout = 500 * time.Millisecond }},
		{"--lifetime 86400", func(o *Options) { o.Lifetime = 24 * time.Hour }},
		{"--accept-rate 200|--accept-rate 200:20", func(o *Options) { o.AcceptRate = AcceptRate{200, 20} }},
		{"--accept-rate 9", func(o *Options) { o.AcceptRate = AcceptRate{9, 1} }},
		{"--queue 7", func(o *Options) { o.Queue = 7 }},
		{"--queue-timeout 0.25", func(o *Options) { o.QueueTimeout = 250 * time.Millisecond }},
		{"--on-no-server close-listener", func(o *Options) { o.OnNoServer = "close-listener" }},
		{"-q 50|--backlog 50", func(o *Options) { o.Backlog = 50 }},
		{"-q 49|-q 0|-q -3|--backlog=-1", func(o *Options) { o.Backlog, o.Notices = 50, []string{"listen_queue bumped to 50"} }},
		{"-m 1|--accept-batch 1", func(o *Options) { o.AcceptBatch = 1 }},
		{"-m 0|-m -7|--accept-batch 0", func(o *Options) { o.AcceptBatch, o.Notices = 1, []string{"multi_accept bumped to 1"} }},
		{"-q 1 -m 0", func(o *Options) {
			o.Backlog, o.AcceptBatch, o.Notices = 50, 1, []string{"multi_accept bumped to 1", "listen_queue bumped to 50"}
		}},
		{"--nagle", func(o *Options) { o.Nagle = true }},
		{"--keepalive 0", func(o *Options) { o.Keepalive = 0 }},
		{"--user-timeout 1.5", func(o *Options) { o.UserTimeout = 1500 * time.Millisecond }},
		{"-B 10.0.0.9:81:1:2:3:4|--abuse 10.0.0.9:81:1:2:3:4|-B10.0.0.9:81:1:2:3:4", func(o *Options) {
			o.Abuse = &Server{Text: "10.0.0.9:81:1:2:3:4", Host: "10.0.0.9", Port: 81, Addr: netip.MustParseAddrPort("10.0.0.9:81"), Soft: 1, Hard: 2, Weight: 3, Prio: 4}
		}},
		{"-B 10.0.0.9", func(o *Options) {
			o.Abuse = &Server{Text: "10.0.0.9", Host: "10.0.0.9", Port: 8080, Addr: netip.MustParseAddrPort("10.0.0.9:8080")}
		}},
		{"-C 8888|-C8888|--control 8888|--control=8888", func(o *Options) { o.Control = "8888" }},
		{"-C *:8888", func(o *Options) { o.Control = "*:8888" }},
		{"-C [::1]:8888", func(o *Options) { o.Control = "[::1]:8888" }},
		{"-C front:8888", func(o *Options) { o.Control = "front:8888" }},
		{"-C /run/ctl|-fC8 -C /run/ctl --foreground=false", func(o *Options) { o.Control = "/run/ctl" }},
		{"-F pen.cfg|--config pen.cfg|--config=pen.cfg|-F a -F pen.cfg", func(o *Options) { o.ConfigFile = "pen.cfg" }},
		{"-O servers|-Oservers|-o servers|-oservers|--command servers|--command=servers", func(o *Options) { o.Commands = []string{"servers"} }},
		{"-O mode -o pid --command servers", func(o *Options) { o.Commands = []string{"mode", "pid", "servers"} }},
		{"-H|--forwarded", func(o *Options) { o.Forwarded = true }},
		{"-X|--allow-exit", func(o *Options) { o.AllowExit = true }},
		{"-a|--ascii", func(o *Options) { o.Ascii = true }},
		{"-HXa|-aHX|-H -X -a", func(o *Options) { o.Forwarded, o.AllowExit, o.Ascii = true, true, true }},
		{"-HXFpen.cfg|-HXF pen.cfg", func(o *Options) { o.Forwarded, o.AllowExit, o.ConfigFile = true, true, "pen.cfg" }},
		{"-l pen.log|-lpen.log|--log pen.log|--log=pen.log|-al pen.log --ascii=false", func(o *Options) { o.AccessLog = "pen.log" }},
		{"-l /var/log/pen:80", func(o *Options) { o.AccessLog = "/var/log/pen:80" }},
		{"-l pen.log --log-format logfmt", func(o *Options) { o.AccessLog, o.LogFormat = "pen.log", "logfmt" }},
		{"-l loghost:10000", func(o *Options) { o.AccessLog = "loghost:10000" }},
		{"-l [::1]:10000", func(o *Options) { o.AccessLog = "[::1]:10000" }},
		{"-w pen.html|-wpen.html|--web-stats pen.html|--web-stats=pen.html", func(o *Options) { o.WebStats = "pen.html" }},
		{"--web 8081|--web=127.0.0.1:8081", func(o *Options) { o.Web = "127.0.0.1:8081" }},
		{"--web *:8081", func(o *Options) { o.Web = ":8081" }},
		{"--web 0.0.0.0:8081", func(o *Options) { o.Web = "0.0.0.0:8081" }},
		{"--web [::1]:http", func(o *Options) { o.Web = "[::1]:80" }},
		{"--web localhost:8081", func(o *Options) { o.Web = "localhost:8081" }},
		{"--web-token /etc/pen/token", func(o *Options) { o.WebToken = "/etc/pen/token" }},
		{"--control-files /etc/pen", func(o *Options) { o.ControlFiles = []string{"/etc/pen"} }},
		{"--control-files /etc/pen --control-files=/srv", func(o *Options) { o.ControlFiles = []string{"/etc/pen", "/srv"} }},
		{"--geoip country.mmdb|--geoip=country.mmdb", func(o *Options) { o.GeoIP = "country.mmdb" }},
		{"-P|-PP|-P -P", func(o *Options) {
			o.Notices = []string{"-P is obsolete and has no effect: poll is not used, see --poller"}
		}},
		{"-D", func(o *Options) {
			o.Notices = []string{"-D is obsolete and has no effect: there is no delayed forward"}
		}},
		{"-n", func(o *Options) { o.Notices = []string{"-n is obsolete and has no effect: no socket ever blocks"} }},
		{"-Q", func(o *Options) {
			o.Notices = []string{"-Q is obsolete and has no effect: kqueue is not a part of Linux"}
		}},
		{"-S 16|-S16|-S many", func(o *Options) {
			o.Notices = []string{"-S is obsolete and has no effect: the table of servers grows by itself"}
		}},
		{"-rnPS16 -m 0", func(o *Options) {
			o.RoundRobin, o.AcceptBatch = true, 1
			o.Notices = []string{
				"-n is obsolete and has no effect: no socket ever blocks",
				"-P is obsolete and has no effect: poll is not used, see --poller",
				"-S is obsolete and has no effect: the table of servers grows by itself",
				"multi_accept bumped to 1",
			}
		}},
		{"--splice always", func(o *Options) { o.Splice = "always" }},
		{"--splice=never", func(o *Options) { o.Splice = "never" }},
		{"--pipe-size 64k|--pipe-size 64K|--pipe-size 65536", func(o *Options) { o.PipeSize = 64 << 10 }},
		{"--pipe-size 1m|--pipe-size 1M|--pipe-size 1024k", func(o *Options) { o.PipeSize = 1 << 20 }},
		{"--pipes 0", func(o *Options) { o.Pipes, o.pipesGiven = 0, true }},
		{"--loops 4", func(o *Options) { o.Loops = 4 }},
		{"--cpus auto", func(o *Options) { o.CPUs = "auto" }},
		{"--cpus 0-3,8", func(o *Options) { o.CPUs = "0-3,8" }},
		{"--steer cpu", func(o *Options) { o.Steer = "cpu" }},
		{"--steer client", func(o *Options) { o.Steer = "client" }},
		{"--shortcuts off", func(o *Options) { o.Shortcuts = "off" }},
		{"--send-batch off", func(o *Options) { o.SendBatch = "off" }},
		{"--reuse-sockets on", func(o *Options) { o.ReuseSockets = "on" }},
		{"--congestion reno", func(o *Options) { o.Congestion = "reno" }},
		{"--poller gnet", func(o *Options) { o.Poller = "gnet" }},
		{"--check off", func(o *Options) { o.Check = "off" }},
		{"--check http:/health?deep=1", func(o *Options) { o.Check = "http:/health?deep=1" }},
		{"--check-interval 0.2", func(o *Options) { o.CheckInterval = 200 * time.Millisecond }},
		{"--check-timeout 0.1", func(o *Options) { o.CheckTimeout = 100 * time.Millisecond }},
		{"--rise 5", func(o *Options) { o.Rise = 5 }},
		{"--fall 1", func(o *Options) { o.Fall = 1 }},
		{"-f|--foreground", func(o *Options) { o.Foreground = true }},
		{"-d|--debug|--debug=1", func(o *Options) { o.Debug = 1 }},
		{"-dd|-d -d|--debug --debug|--debug=2", func(o *Options) { o.Debug = 2 }},
		{"-dddddddddddddd", func(o *Options) { o.Debug = maxDebug }},
		{"-p run/pen.pid|--pidfile run/pen.pid", func(o *Options) { o.PidFile = "run/pen.pid" }},
		{"-u nobody|--user nobody", func(o *Options) { o.User = "nobody" }},
		{"-j /var/empty|--chroot /var/empty", func(o *Options) { o.Chroot = "/var/empty" }},
		{"--seccomp log", func(o *Options) { o.Seccomp = "log" }},
		{"--seccomp on", func(o *Options) { o.Seccomp = "on" }},
		{"--landlock on", func(o *Options) { o.Landlock = "on" }},
		{"--caps keep", func(o *Options) { o.Caps = "keep" }},
		{"--drain 0", func(o *Options) { o.Drain = 0 }},
		{"-fdr|-rdf|-f -d -r", func(o *Options) { o.Foreground, o.Debug, o.RoundRobin = true, 1, true }},
		{"-hfx9|-hf -x 9", func(o *Options) { o.Hash, o.Foreground, o.MaxConns, o.maxConnsGiven = true, true, 9, true }},
		{"-r --", func(o *Options) { o.RoundRobin = true }},
	}
	for _, test := range tests {
		for spelling := range strings.SplitSeq(test.spellings, "|") {
			want := defaults()
			test.change(&want)
			want.args = strings.Fields(spelling + " 8080 10.0.0.1")
			if got := parse(t, spelling+" 8080 10.0.0.1"); !reflect.DeepEqual(*got, want) {
				t.Errorf("%s:\ngot  %+v\nwant %+v", spelling, *got, want)
			}
		}
	}
}

// TestEveryFlagIsTested keeps the table above complete.
func TestEveryFlagIsTested(t *testing.T) {
	untouched := defaults()
	changed := parse(t, "-rWshfdHXa -B 10.0.0.9 -C 1 -F f -O pid -l l --log-format json -w w --web 81 --web-token t --control-files /c --geoip g --prio --least-conn --pen-hash -e 10.0.0.9 -b 1 -c 1 -T 1 --track-prefix 1/1 -x 1 -t 1 --idle-timeout 1 --first-byte-timeout 1 --half-closed-timeout 1 --stall-timeout 1 --lifetime 1 --accept-rate 1:2 --queue 1 --queue-timeout 1 --on-no-server reset -q 60 -m 1 --nagle --keepalive 1 --user-timeout 1"+
		" --client-conns 1 --client-rate 1/s --client-limit abuse --client-exempt 0 --tarpit-time 1 --tarpit-max 1"+
		" --splice never --pipe-size 4k --pipes 1 --loops 1 --cpus 1 --steer cpu --poller gnet --shortcuts off --send-batch off --reuse-sockets on --congestion reno --check off --check-interval 1 --check-timeout 2 --rise 1 --fall 1 -p p -u u -j j --seccomp log --landlock on --caps keep --drain 1 8080 10.0.0.1")
	was, is := reflect.ValueOf(untouched), reflect.ValueOf(*changed)
	for i := range was.NumField() {
		switch name := was.Type().Field(i).Name; name {
		case "Listen", "Servers", "Notices", "name", "args":
		case "Commands", "ControlFiles":
			if is.Field(i).IsNil() {
				t.Errorf("no flag changed %s", name)
			}
		default:
			if was.Field(i).Equal(is.Field(i)) {
				t.Errorf("no flag changed %s", name)
			}
		}
	}
}

func TestServersInOrder(t *testing.T) {
	o := parse(t, "-r [::1]:80 www1 www2:81 www1 /run/a.sock [fe80::1%eth0]:82:1")
	want := []string{"www1:80", "www2:81", "www1:80", "/run/a.sock", "[fe80::1%eth0]:82:1:0:0:0"}
	for i, s := range o.Servers {
		if s.String() != want[i] {
			t.Errorf("server %d is %s, want %s", i, s, want[i])
		}
	}
	if len(o.Servers) != len(want) {
		t.Errorf("%d servers, want %d", len(o.Servers), len(want))
	}
}

// TestNothingButCommands leaves out what commands or the file of them may say.
func TestNothingButCommands(t *testing.T) {
	for _, test := range []struct {
		line   string
		listen bool
	}{
		{"-F pen.cfg", false},
		{"-e 10.0.0.9:80 -F pen.cfg", false},
		{"-F pen.cfg 80", true},
		{"-F pen.cfg /run/pen.sock", true},
		{"-O pid 80", true},
	} {
		o := parse(t, test.line)
		if o.HasListen() != test.listen || len(o.Servers) != 0 || !test.listen && !reflect.DeepEqual(o.Listen, Listen{}) {
			t.Errorf("pen %s: listening at %+v, servers %v", test.line, o.Listen, o.Servers)
		}
	}
	if o, err := Parse("pen", []string{"-O", "listen 127.0.0.1:80"}); err != nil || o.HasListen() {
		t.Errorf("-O listen: %+v, %v", o, err)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct{ line, want string }{
		{"8080", "no servers: give at least one after the listening address, or in the file of -F"},
		{"-f", "no listening address: give [host:]port or /path, and the servers after it, or have the file of -F say so"},
		{"--bogus 80 a", `unknown flag "--bogus" (see pen --help)`},
		{"-N 80 a", `unknown flag "-N" (see pen --help)`},
		{"-fzr 80 a", `unknown flag "-z" (see pen --help)`},
		{"---f 80 a", `"---f" is no flag (see pen --help)`},
		{"-x", `-x, --max-conns: N is missing (see pen --help)`},
		{"-fx", `-x, --max-conns: N is missing (see pen --help)`},
		{"--splice", `--splice: MODE is missing (see pen --help)`},
		{"-test.v 80 a", `-t, --timeout "est.v": must be seconds`},
		{"--roundrobin=maybe 80 a", `-r, --roundrobin "maybe": must be true or false, or left out`},
		{"-b -1 80 a", `-b, --blacklist "-1": must be seconds, to the millisecond, in 0..1000000000`},
		{"-b 0.0001 80 a", `-b, --blacklist "0.0001": must be seconds, to the millisecond, in 0..1000000000`},
		{"-b 9999999999999999999 80 a", `-b, --blacklist "9999999999999999999": must be seconds, to the millisecond, in 0..1000000000`},
		{"-t 0 80 a", `-t, --timeout "0": must be seconds, to the millisecond, in 0.001..86400`},
		{"-t 5s 80 a", `-t, --timeout "5s": must be seconds, to the millisecond, in 0.001..86400`},
		{"-t 1e3 80 a", `-t, --timeout "1e3": must be seconds, to the millisecond, in 0.001..86400`},
		{"-t . 80 a", `-t, --timeout ".": must be seconds, to the millisecond, in 0.001..86400`},
		{"-T 0.5 80 a", `-T, --tracking "0.5": must be whole seconds in 0..1000000000`},
		{"--queue -1 80 a", `--queue "-1": must be a whole number in 0..10000000`},
		{"--queue-timeout 0 80 a", `--queue-timeout "0": must be seconds, to the millisecond, in 0.001..86400`},
		{"--on-no-server panic 80 a", `--on-no-server "panic": must be accept, reset or close-listener`},
		{"--on-no-server close-listener /run/pen.sock a:80", `--on-no-server "close-listener": /run/pen.sock is a Unix socket, which cannot be closed and opened again; use accept or reset`},
		{"--keepalive 40000 80 a", `--keepalive "40000": must be whole seconds in 0..32767`},
		{"--accept-rate 1000001 80 a", `--accept-rate "1000001": must be connections a second, N or N:BURST with N in 0..1000000 and BURST in 1..1000000`},
		{"--accept-rate 5: 80 a", `--accept-rate "5:": must be connections a second, N or N:BURST with N in 0..1000000 and BURST in 1..1000000`},
		{"--user-timeout 2147484 80 a", `--user-timeout "2147484": must be seconds, to the millisecond, in 0..2147483`},
		{"--check-interval 0 80 a", `--check-interval "0": must be seconds, to the millisecond, in 0.01..86400`},
		{"-c -1 80 a", `-c, --clients "-1": must be a whole number in 0..100000000`},
		{"-c 0x10 80 a", `-c, --clients "0x10": must be a whole number in 0..100000000`},
		{"-c +5 80 a", `-c, --clients "+5": must be a whole number in 0..100000000`},
		{"-x 99999999999999999999 80 a", `-x, --max-conns "99999999999999999999": must be a whole number in 0..10000000`},
		{"-q x 80 a", `-q, --backlog "x": must be a whole number, at most 2147483647`},
		{"-m 1000001 80 a", `-m, --accept-batch "1000001": must be a whole number, at most 1000000`},
		{"-m --7 80 a", `-m, --accept-batch "--7": must be a whole number, at most 1000000`},
		{"--debug=10 80 a", `-d, --debug "10": must be a whole number in 0..9`},
		{"--client-conns 65536 80 a", `--client-conns "65536": must be a whole number in 0..65535`},
		{"--client-rate= 80 a", `--client-rate "": must be a rate, as in 20/s`},
		{"--client-limit drop 80 a", `--client-limit "drop": must be reject, tarpit or abuse`},
		{"--client-exempt 10 80 a", `--client-exempt "10": must be the number of an access list in 0..9, or none`},
		{"--client-exempt -1 80 a", `--client-exempt "-1": must be the number of an access list in 0..9, or none`},
		{"--tarpit-time 0 80 a", `--tarpit-time "0": must be seconds, to the millisecond, in 0.1..86400`},
		{"--tarpit-max 0 80 a", `--tarpit-max "0": must be a whole number in 1..10000000`},
		{"--track-prefix 32 80 a", `--track-prefix "32": must be V4/V6 with V4 in 1..32 and V6 in 1..128, as in 32/64`},
		{"--track-prefix 0/64 80 a", `--track-prefix "0/64": must be V4/V6 with V4 in 1..32 and V6 in 1..128, as in 32/64`},
		{"--track-prefix 32/129 80 a", `--track-prefix "32/129": must be V4/V6 with V4 in 1..32 and V6 in 1..128, as in 32/64`},
		{"--splice maybe 80 a", `--splice "maybe": must be auto, always or never`},
		{"--steer ip 80 a", `--steer "ip": must be off, cpu or client`},
		{"--poller epoll 80 a", `--poller "epoll": must be raw or gnet`},
		{"--pipe-size 3k 80 a", `--pipe-size "3k": must be a power of two in 4k..1m`},
		{"--pipe-size 2k 80 a", `--pipe-size "2k": must be a power of two in 4k..1m`},
		{"--pipe-size 2m 80 a", `--pipe-size "2m": must be a power of two in 4k..1m`},
		{"--pipe-size k 80 a", `--pipe-size "k": must be a power of two in 4k..1m`},
		{"--pipe-size 0 80 a", `--pipe-size "0": must be a power of two in 4k..1m`},
		{"--pipe-size 9223372036854775807k 80 a", `--pipe-size "9223372036854775807k": must be a power of two in 4k..1m`},
		{"--loops 1025 80 a", `--loops "1025": must be a whole number in 0..1024`},
		{"--cpus 0- 80 a", `--cpus "0-": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"--cpus 1,0-2 80 a", `--cpus "1,0-2": CPU 1 is named twice`},
		{"--check http:health 80 a", `--check "http:health": must be tcp, http:/path or off`},
		{"--check http://www1/health 80 a", `--check "http://www1/health": must not name a host, only a path, as in http:/health`},
		{"--check http:/health#top 80 a", `--check "http:/health#top": must be tcp, http:/path or off`},
		{"--check ping 80 a", `--check "ping": must be tcp, http:/path or off`},
		{"--rise 0 80 a", `--rise "0": must be a whole number in 1..1000`},
		{"--fall 0 80 a", `--fall "0": must be a whole number in 1..1000`},
		{"--pidfile= 80 a", `-p, --pidfile "": must be the name of a file`},
		{"--user= 80 a", `-u, --user "": must be the name or number of a user`},
		{"--chroot= 80 a", `-j, --chroot "": must be the name of a directory`},
		{"-U 80 a", "-U: UDP is not supported yet"},
		{"-E cert.pem 80 a", "-E: TLS is not supported yet"},
		{"-Ecert.pem 80 a", "-E: TLS is not supported yet"},
		{"-fE", "-E: TLS is not supported yet"},
		{"-K key.pem 80 a", "-K: TLS is not supported yet"},
		{"-G ca.pem 80 a", "-G: TLS is not supported yet"},
		{"-A /ca 80 a", "-A: TLS is not supported yet"},
		{"-R 80 a", "-R: TLS is not supported yet"},
		{"-Z 80 a", "-Z: TLS is not supported yet"},
		{"-L tls1 80 a", "-L: TLS is not supported yet"},
		{"--E cert.pem 80 a", `unknown flag "--E" (see pen --help)`},
		{"-i svc 80 a", "-i: Windows only"},
		{"--D 80 a", `unknown flag "--D" (see pen --help)`},
		{"---D 80 a", `"---D" is no flag (see pen --help)`},
		{"---o=pid 80 a", `"---o=pid" is no flag (see pen --help)`},
		{"-S", "-S: N is missing (see pen --help)"},
		{"-fo", "-o: CMD is missing (see pen --help)"},
		{"-O", "-O, --command: CMD is missing (see pen --help)"},
		{"-x -5 80 a", `-x, --max-conns "-5": must be a whole number in 0..10000000`},
		{"-C 0 80 a", `-C, --control "0": port must be 1..65535`},
		{"--web /run/web.sock 80 a", `--web "/run/web.sock": must be [host:]port`},
		{"--web 0 80 a", `--web "0": port must be 1..65535`},
		{"--web ::1 80 a", `--web "::1": an IPv6 address must stand in brackets, as in [::1]:80`},
		{"--web-token= 80 a", `--web-token "": must be the name of a file`},
		{"-C front 80 a", `-C, --control "front": port must be 1..65535 or the name of a service`},
		{"-C ::1 80 a", `-C, --control "::1": an IPv6 address must stand in brackets, as in [::1]:80`},
		{"-C 1:2:3 80 a", `-C, --control "1:2:3": must be [host:]port or /path`},
		{"--config= 80 a", `-F, --config "": must be the name of a file`},
		{"--log= 80 a", `-l, --log "": must be the name of a file, stderr, syslog, journald, or host:port of a penlogd`},
		{"-l loghost:0 80 a", `-l, --log "loghost:0": must be host:port of a penlogd, or a file (from / on, for the sake of its ':'): port must be 1..65535`},
		{"-l logs/a:1 80 a", `-l, --log "logs/a:1": must be host:port of a penlogd, or a file (from / on, for the sake of its ':'): host must be a name or an address`},
		{"-l :514 80 a", `-l, --log ":514": must be host:port of a penlogd, or a file (from / on, for the sake of its ':'): host is missing`},
		{"--web-stats= 80 a", `-w, --web-stats "": must be the name of a file`},
		{"--geoip= 80 a", `--geoip "": must be the name of a file`},
		{"--control-files etc 80 a", `--control-files "etc": must be the name of a directory, from / on`},
		{"-B a:0 80 a", `abuse server "a:0": port must be 1..65535`},
		{"-F pen.cfg -B a", `abuse server "a": port is missing, and there is no port listened on to take instead`},
		{"-F pen.cfg -e a", `emergency server "a": port is missing, and there is no port listened on to take instead`},
		{"-O pid", "no listening address: give [host:]port or /path, and the servers after it, or have the file of -F say so"},
		{"-O listen", "no listening address: give [host:]port or /path, and the servers after it, or have the file of -F say so"},
		{"-C 8888 80", "no servers: give at least one after the listening address, or in the file of -F"},
		{"-e ::1 80 a", `emergency server "::1": an IPv6 address must stand in brackets, as in [::1]:80`},
		{"-e a:0 80 a", `emergency server "a:0": port must be 1..65535`},
		{"80 -r a", `server "-r": flags come before the listening address`},
		{"80 a -f", `server "-f": flags come before the listening address`},
		// PEN.md 1.8: Pen took these two without a word.
		{"80 127.0.0.1:21001:notanumber:5", `server "127.0.0.1:21001:notanumber:5": soft limit must be a whole number in 0..2147483647`},
		{"80 127.0.0.1:99999", `server "127.0.0.1:99999": port must be 1..65535`},
		{"99999 a", `listen "99999": port must be 1..65535`},
		{"/run/pen.sock a", `server "a": port is missing, and there is no port listened on to take instead`},
	}
	for _, test := range tests {
		o, err := Parse("pen", strings.Fields(test.line))
		var usage *UsageError
		if o != nil || !errors.As(err, &usage) || err.Error() != test.want {
			t.Errorf("pen %s:\ngot  %v\nwant %s", test.line, err, test.want)
		}
	}
}

func TestRefusedWithSpecialBytes(t *testing.T) {
	for _, args := range [][]string{
		{"-p", "a\x00b", "80", "a"},
		{"--check", "http:/a b", "80", "a"},
		{"--check", "http:/a\r\nHost: x", "80", "a"},
		{"--a\nb", "80", "a"},
		{"-O", "pid\nexit", "80", "a"},
		{"-O", "pid\r", "80", "a"},
		{"-O", "pid\x00", "80", "a"},
		{"-l", "log\x00", "80", "a"},
		{"-C", "/run/ctl\x00", "80", "a"},
		{"--control-files", "/etc\x00", "80", "a"},
		{"80", "a\nb"},
		{"80", ""},
		{"", "a"},
	} {
		_, err := Parse("pen", args)
		if ExitCode(err) != 64 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: want one line and status 64, got %v", args, err)
		}
	}
}

func TestAnswersInsteadOfOptions(t *testing.T) {
	for _, test := range []struct {
		line string
		want error
	}{
		{"--help", ErrHelp},
		{"-f --help --bogus", ErrHelp},
		{"--version", ErrVersion},
		{"-f --version 80", ErrVersion},
	} {
		if o, err := Parse("pen", strings.Fields(test.line)); o != nil || !errors.Is(err, test.want) {
			t.Errorf("pen %s: got %v, want %v", test.line, err, test.want)
		}
	}
}
