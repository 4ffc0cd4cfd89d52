package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const debianPenctl = "/usr/bin/penctl"

// Every word that asks may stand in a file or behind -O, where nothing is served yet.
func TestQuestionsBeforeTheStart(t *testing.T) {
	_, servers := serveNamed(t, 1)
	eachPoller(t, func(t *testing.T, poller string) {
		file := filepath.Join(openDir(t), "pen.conf")
		var text strings.Builder
		var flags []string
		for word := range strings.FieldsSeq("idlers idle_timeout servers recent connection socket close status mode pid listen log web_stats control write exit") {
			fmt.Fprintln(&text, word)
			flags = append(flags, "-O", word)
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		b := launch{poller: poller, flags: append(flags, "-F", file), servers: servers}.start(t)
		mustVisit(t, loopback(1), b.address)
	})
}

// Debian's penctl drives our port, and ours drives our port and Debian's pen. Only ours can tell a failure, and only from ours.
func TestPenctlBothWays(t *testing.T) {
	_, servers := serveNamed(t, 2)
	eachPoller(t, func(t *testing.T, poller string) {
		for _, unix := range []bool{false, true} {
			s := steer(t, poller, unix, nil, servers...)
			clients := [][]string{{program, "ctl", s.control}}
			if !unix { // Debian's knows no Unix sockets
				clients = append(clients, []string{debianPenctl, s.control})
			}
			for _, words := range clients {
				ours := words[0] == program
				for _, c := range []struct {
					command, reply string
					fails          bool
				}{
					{"blacklist", "30\n", false},
					{"blacklist 7", "7\n", false},
					{"blacklist 30", "30\n", false},
					{"mode", "no hash no roundrobin no stubborn no weight no prio\n", false},
					{"control", s.control + "\n", false},
					{"frob", "do_cmd: ignoring command starting with 'frob'\n", true},
					{"close 9999", "Connection 9999 out of range\n", true},
					{"exit", "Exit is not enabled; restart with -X flag\n", true},
					{"ssl_ciphers x", "", true},
					{"server 0 address", "", true},
				} {
					code, reply := run(t, append(slices.Clone(words), strings.Fields(c.command)...)...)
					if !strings.HasPrefix(reply, c.reply) || (!c.fails || !ours) && reply != c.reply {
						t.Errorf("%s %s: %q, want %q", words[0], c.command, reply, c.reply)
					}
					if failed := code != 0; failed != (c.fails && ours) {
						t.Errorf("%s %s: exit status %d", words[0], c.command, code)
					}
				}
				if code, reply := run(t, append(slices.Clone(words), "servers")...); code != 0 || strings.Count(reply, "\n") != 2 {
					t.Errorf("%s servers: status %d, %q", words[0], code, reply)
				}
			}
			if unix {
				if info, err := os.Stat(s.control); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("the control socket has mode %v, want 0600 (%v)", info.Mode(), err)
				}
			}
		}
	})
	pens := startOracle(t, openDir(t), []string{"-u", "nobody"}, servers)
	for _, c := range []struct{ command, reply string }{
		{"blacklist 7", "7\n"}, {"frob", "do_cmd: ignoring command starting with 'frob'\n"}, {"mode", "no hash no roundrobin no stubborn no weight no prio\n"},
	} {
		if code, reply := run(t, append([]string{program, "ctl", pens.control}, strings.Fields(c.command)...)...); code != 0 || reply != c.reply {
			t.Errorf("our penctl at Debian's pen: %s: status %d, %q", c.command, code, reply)
		}
	}
}

// Servers come and go by command, under traffic: nobody is turned away, a session that runs goes on, and whoever has a server that stays stays with it.
func TestServersChangeUnderTraffic(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 4)
		s := steer(t, poller, true, []string{"-X"}, addresses[:2]...)
		tr := startTraffic(t, s.address, 6)
		tr.goesOn(5)
		session := call(t, loopback(1), s.address)
		home := session.mustName(t)
		gone := int(home[0] - 'a')

		split := func(i int) []any { host, port, _ := net.SplitHostPort(addresses[i]); return []any{i, host, port} }
		s.do(fmt.Sprintf("server %d address %s port %s", split(2)...))
		s.do(fmt.Sprintf("server %d address %s port %s", split(3)...))
		got := map[string]bool{}
		for i := range 8 {
			got[mustVisit(t, loopback(10+i), s.address)] = true
		}
		if len(got) != 4 {
			t.Errorf("new clients went to %v, want all four servers", got)
		}

		s.do(fmt.Sprintf("server %d drain", gone))
		for i := range 8 {
			if name := mustVisit(t, loopback(20+i), s.address); name == home {
				t.Errorf("a new client went to the drained server")
			}
		}
		if name := mustVisit(t, loopback(1), s.address); name != home {
			t.Errorf("a client of the drained server went to %s", name)
		}
		session.mustEcho(t)

		stays := tr.now()
		tr.goesOn(5)
		before := tr.since(stays)
		stays = tr.now()
		s.do(fmt.Sprintf("no server %d", gone))
		tr.goesOn(5)
		for i, names := range tr.since(stays) {
			was := before[i]
			if len(was) != 1 || was[0] != home && !slices.Equal(names, was) {
				t.Errorf("client %d was at %v before %s was removed, and at %v since", i, was, home, names)
			}
		}
		tr.goesOn(2)
		stays = tr.now()
		tr.goesOn(3)
		for i, names := range tr.since(stays) {
			if slices.Contains(names, home) {
				t.Errorf("client %d is still led to %s, which is gone", i, home)
			}
		}
		session.mustEcho(t)
		tr.end()
		shown(t, "%s: two servers added, one drained and removed under traffic: %d visits, none failed", poller, total(tr.now()))
	})
}

func total(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// `write`, a start from the file, and `write` again give the same file but for its heading, for a state in which every setting is another than the default.
func TestWriteRestartWrite(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 3)
		s := steer(t, poller, true, nil, addresses[0]+":3:4:5:6", addresses[1]+":1:2:3:4")
		host, port, _ := net.SplitHostPort(addresses[2])
		for _, command := range []string{
			"acl 1 permit 10.1.2.0 255.255.255.0", "acl 1 deny 10.0.0.0 255.0.0.0", "acl 9 permit fe80::/10", "ascii", "blacklist 17", "client_acl 2", "control_acl 9",
			"debug 1", "hash", "http", "stubborn", "tcp_fastclose both", "no tcp_nodelay", "timeout 9", "tracking 77", "weight", "prio", "roundrobin", "clients_max 3000", "conn_max 600",
			"pending_max 7", "idle_timeout 55", "keepalive 33", "user_timeout 44", "abort_on_error", "peek", "source 127.0.0.9", "least_conn", "track_prefix 24/56",
			"emergency 127.0.0.1:9", "abuse 127.0.0.1:10:1:2:3:4", "web_stats " + filepath.Join(s.dir, "html"), "log " + filepath.Join(s.dir, "log"),
			"server 5 address " + host + " port " + port + " max 2 hard 3 weight 8 prio 9 acl 4", "server 1 drain", "pen_hash",
		} {
			s.do(command)
		}
		first, second, third := filepath.Join(s.dir, "first"), filepath.Join(s.dir, "second"), filepath.Join(s.dir, "third")
		s.do("write " + first)
		dir := s.dir
		s.finish()
		again := func(from, to string) {
			control := filepath.Join(openDir(t), "control")
			next := launch{poller: poller, listen: s.address, flags: []string{"-u", "nobody", "-C", control, "-F", from}}.start(t)
			if reply, err := controlReply(control, "write "+to); err != nil || reply != "" {
				t.Errorf("write: %q, %v", reply, err)
			}
			next.finish()
		}
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		again(first, second)
		again(second, third)
		a, b, c := writtenState(t, first), writtenState(t, second), writtenState(t, third)
		if a != b || b != c {
			t.Errorf("the state changed on its way:\nfirst\n%s\nsecond\n%s\nthird\n%s", a, b, c)
		}
		if n := strings.Count(a, "\n"); n < 50 {
			t.Errorf("the file has %d lines:\n%s", n, a)
		}
	})
}

// writtenState is what `write` made without the date and the command line.
func writtenState(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(content), "\n"), func(l string) bool {
		return strings.HasPrefix(l, "# Generated by pen ") || strings.HasPrefix(l, "# "+program) || strings.HasPrefix(l, "# pen ")
	})
	return strings.Join(lines, "")
}

// HUP reads the file again, under traffic: a file with a mistake changes nothing and says where it is, a missing one neither; a good one removes and adds servers, loses no session and moves no client
// whose server stays.
func TestHUPUnderTraffic(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 4)
		file := filepath.Join(openDir(t), "pen.conf")
		server := func(n, at int) string {
			host, port, _ := net.SplitHostPort(addresses[at])
			return fmt.Sprintf("server %d address %s port %s\n", n, host, port)
		}
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(server(0, 0) + server(1, 1) + server(2, 2))
		s := steer(t, poller, true, []string{"-F", file})
		tr := startTraffic(t, s.address, 6)
		tr.goesOn(3)
		session := call(t, loopback(1), s.address)
		session.mustName(t)
		state := s.quick("servers")
		stays := tr.now()

		write("blacklist 99\n" + server(0, 3) + "acl 1 permit nonsense\n")
		s.signal(syscall.SIGHUP)
		s.logs("pen.conf:3")
		if log := s.log.String(); !strings.Contains(log, "nonsense") {
			t.Errorf("the log does not name the word")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGHUP)
		eventually(t, patience, "the missing file is told", func() bool { return strings.Count(s.log.String(), "reload") >= 2 })
		if got := s.quick("blacklist"); got != "30\n" {
			t.Errorf("after a bad file the blacklist time is %q", got)
		}
		addressesOnly := func(text string) (all []string) {
			for line := range strings.Lines(text) {
				all = append(all, strings.Join(strings.Fields(line)[:5], " "))
			}
			return all
		}
		if got := s.quick("servers"); !slices.Equal(addressesOnly(got), addressesOnly(state)) {
			t.Errorf("after a bad file the servers are\n%s\nbefore\n%s", got, state)
		}
		tr.goesOn(3)
		for i, names := range tr.since(stays) {
			if len(names) != 1 {
				t.Errorf("client %d was at %v while bad files were refused", i, names)
			}
		}

		before := tr.since(stays)
		write("no server 2\n" + server(3, 3))
		s.signal(syscall.SIGHUP)
		s.logs("reloaded")
		tr.goesOn(2)
		stays = tr.now()
		tr.goesOn(5)
		for i, names := range tr.since(stays) {
			switch was := before[i]; {
			case len(names) != 1:
				t.Errorf("client %d is at %v", i, names)
			case was[0] != "c" && names[0] != was[0], names[0] == "c":
				t.Errorf("client %d was at %v and is at %v; c was removed", i, was, names)
			}
		}
		session.mustEcho(t)
		got := map[string]bool{}
		for i := range 6 {
			got[mustVisit(t, loopback(30+i), s.address)] = true
		}
		if !got["d"] || got["c"] {
			t.Errorf("new clients go to %v, want a, b and d", got)
		}
		tr.end()
		shown(t, "%s: HUP with a broken, a missing and a good file under traffic: %d visits, none failed, no client of a surviving server moved", poller, total(tr.now()))
	})
}
