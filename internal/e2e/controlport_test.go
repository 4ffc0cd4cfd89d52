package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What strangers do to the control port does not touch the traffic: nobody waits, nobody is turned away, memory stays bounded, and the port goes on answering.
func TestControlPortUnderAttack(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 2)
		s := steer(t, poller, false, nil, addresses...)
		tr := startTraffic(t, s.address, 4)
		tr.goesOn(20)
		before := s.status("VmRSS")

		dial := func() net.Conn {
			c, err := net.DialTimeout("tcp", s.control, patience)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		// PEN.md B3: a client that says nothing froze everything.
		silent := dial()
		tr.goesOn(20)
		slow := dial()
		for _, b := range []byte("blackl") {
			if _, err := slow.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
			tr.goesOn(3)
		}
		var crowd []net.Conn
		for range sized(300, 1000) {
			crowd = append(crowd, dial())
		}
		tr.goesOn(20)
		eventually(t, patience, "the port answers beside the crowd", func() bool {
			reply, err := controlReply(s.control, "blacklist")
			return err == nil && reply == "30\n"
		})
		for _, c := range crowd {
			c.Close()
		}
		silent.Close()

		random := rand.NewChaCha8([32]byte{7})
		for _, feed := range []func(w io.Writer){
			func(w io.Writer) { _, _ = io.CopyN(w, random, 10<<20) },                                  // no lines to speak of
			func(w io.Writer) { _, _ = w.Write(bytes.Repeat([]byte("x"), 10<<20)) },                   // one line
			func(w io.Writer) { _, _ = w.Write(bytes.Repeat([]byte("\n"), 1<<20)) },                   // empty ones
			func(w io.Writer) { _, _ = w.Write(bytes.Repeat([]byte("servers\n"), 1<<16)) },            // more answers than are read
			func(w io.Writer) { _, _ = w.Write(bytes.Repeat([]byte("no acl\nsource\nno\n"), 1<<14)) }, // PEN.md B10: each of these killed Pen
		} {
			c := dial()
			_ = c.SetDeadline(time.Now().Add(time.Second / 2)) // who does not read is not let write for ever
			feed(c)
			c.Close()
		}
		tr.goesOn(20)
		tr.end()
		if got := s.quick("blacklist"); got != "30\n" {
			t.Errorf("afterwards the port says %q", got)
		}
		const bound = 64 << 10 // KiB
		if after := s.status("VmRSS"); after > before+bound && !raceDetector {
			t.Errorf("memory grew from %d to %d KiB", before, after)
		}
		const wait = 3 * time.Second // what a busy machine may need by itself
		if tr.slowest > wait {
			t.Errorf("a client waited %v", tr.slowest)
		}
		shown(t, "%s: control port with a silent, a slow and %d idle clients and 50 MB of garbage: %d requests served, none failed, the slowest in %.0f ms, RSS %+d KiB",
			poller, len(crowd), total(tr.now()), tr.slowest.Seconds()*1000, s.status("VmRSS")-before)
	})
}

// As root pen does not open a control port on TCP, says so, and serves; on a Unix socket it does.
func TestControlPortAsRoot(t *testing.T) {
	_, addresses := serveNamed(t, 1)
	eachPoller(t, func(t *testing.T, poller string) {
		at := fmt.Sprint("127.0.0.1:", freePort(t))
		b := launch{poller: poller, flags: []string{"-C", at}, servers: addresses}.start(t)
		const message = "Won't open control port running as root; use -u to run as different user"
		eventually(t, patience, "pen says why", func() bool { return strings.Contains(b.log.String(), message) })
		mustVisit(t, loopback(1), b.address)
		if _, err := controlReply(at, "mode"); err == nil {
			t.Errorf("there is a control port all the same")
		}
		socket := filepath.Join(t.TempDir(), "control")
		launch{poller: poller, flags: []string{"-C", socket}, servers: addresses}.start(t)
		if reply, err := controlReply(socket, "timeout"); err != nil || reply != "5\n" {
			t.Errorf("over the Unix socket: %q, %v", reply, err)
		}
	})
}

// PEN.md B28: over the network `write`, `log`, `web_stats` and `include` reach only the directories that --control-files names, not through a link either.
func TestControlFilesFromTheNetwork(t *testing.T) {
	_, addresses := serveNamed(t, 1)
	eachPoller(t, func(t *testing.T, poller string) {
		s := steer(t, poller, false, nil, addresses...)
		outside := openDir(t)
		if err := os.Symlink(outside, filepath.Join(s.dir, "link")); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{outside + "/x", s.dir + "/../x", s.dir + "/link/x", "/etc/passwd"} {
			for _, word := range []string{"write", "log", "web_stats", "include"} {
				if code, reply := run(t, program, "ctl", s.control, word, path); code == 0 {
					t.Errorf("%s %s from the network succeeds: %q", word, path, reply)
				}
			}
		}
		if files, err := os.ReadDir(outside); err != nil || len(files) > 0 {
			t.Errorf("outside there are %v, %v", files, err)
		}
		if s.quick("log") != "" || s.quick("web_stats") != "" {
			t.Errorf("a refused path is set")
		}
		s.do("write " + filepath.Join(s.dir, "inside"))
		if _, err := os.Stat(filepath.Join(s.dir, "inside")); err != nil {
			t.Error(err)
		}
	})
}

// -w and `status` give the page, USR1 writes the file or, without one, Pen's dump to the log.
func TestStatusThreeWays(t *testing.T) {
	_, addresses := serveNamed(t, 2)
	eachPoller(t, func(t *testing.T, poller string) {
		s := steer(t, poller, true, []string{"-d"}, addresses...) // without it USR1 leaves the clients out
		if code, reply := run(t, program, "ctl", s.control, "status"); code == 0 || !strings.HasPrefix(reply, "Unable to create webstats\n") {
			t.Errorf("status without a file: %d, %q", code, reply)
		}
		name := mustVisit(t, loopback(1), s.address)
		s.signal(syscall.SIGUSR1)
		s.logs("Active clients") // PEN.md B16: pointers stood here
		file := filepath.Join(s.dir, "html")
		s.do("web_stats " + file)
		page := s.do("status")
		content, err := os.ReadFile(file)
		if err != nil || string(content) != page {
			t.Errorf("the file is not what status says (%v)", err)
		}
		servers, clients := rows(strings.Split(page, "<table")[1], 11), rows(strings.Split(page, "<table")[2], 7)
		if len(servers) != 2 || len(clients) != 1 || clients[0][1] != loopback(1).String() || clients[0][3] != fmt.Sprint(int(name[0]-'a')) {
			t.Errorf("page: servers %v, clients %v; the client was at %s", servers, clients, name)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGUSR1)
		eventually(t, patience, "USR1 writes the file", func() bool {
			content, _ := os.ReadFile(file)
			return strings.Contains(string(content), "</html>") || strings.Contains(string(content), "</HTML>") || len(content) >= len(page)-100
		})
	})
}

// Lists hold for the next connection and leave those that run alone; who is denied gets the abuse server, and without one is closed and never sent to the emergency server (PEN.md B9).
func TestLists(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 4)
		s := steer(t, poller, true, []string{"-e", addresses[2]}, addresses[:2]...)
		session := call(t, loopback(1), s.address)
		home := session.mustName(t)
		s.do("acl 1 deny 127.1.0.1")
		s.do("client_acl 1")
		if name, err := visit(loopback(1), s.address); err == nil {
			t.Errorf("a denied client is led to %s", name)
		}
		mustVisit(t, loopback(2), s.address)
		session.mustEcho(t)
		s.do("abuse " + addresses[3])
		if name := mustVisit(t, loopback(1), s.address); name != "d" {
			t.Errorf("a denied client is led to %s and not to the abuse server", name)
		}
		s.do("no acl 1")
		if name := mustVisit(t, loopback(1), s.address); name != home {
			t.Errorf("a client that is let in again is led to %s, its home is %s", name, home)
		}
		// a list of a server: the client goes on to the next
		s.do("acl 2 deny 127.1.0.0 255.255.255.0")
		s.do(fmt.Sprintf("server %d acl 2", home[0]-'a'))
		if name := mustVisit(t, loopback(1), s.address); name == home || name > "b" {
			t.Errorf("a client that %s denies is led to %s", home, name)
		}
		session.mustEcho(t)
	})
}

// control_acl closes a denied peer without a byte, and never one on a Unix socket.
func TestControlList(t *testing.T) {
	_, addresses := serveNamed(t, 1)
	eachPoller(t, func(t *testing.T, poller string) {
		s := steer(t, poller, false, nil, addresses...)
		s.do("acl 3 deny 127.0.0.1")
		s.do("control_acl 3")
		if reply, err := controlReply(s.control, "mode"); reply != "" {
			t.Errorf("a denied peer is told %q, %v", reply, err)
		}
		mustVisit(t, loopback(1), s.address)
	})
}

// A list may go by country; who is in none that it names is as one that no entry matches.
func TestCountryList(t *testing.T) {
	_, addresses := serveNamed(t, 1)
	database := filepath.Join(openDir(t), "country.mmdb")
	writeCountries(t, database, map[string]string{"127.1.0.0/24": "SE", "127.1.1.0/24": "NO"})
	eachPoller(t, func(t *testing.T, poller string) {
		s := steer(t, poller, true, []string{"--geoip", database, "-O", "acl 1 permit country SE", "-O", "client_acl 1"}, addresses...)
		mustVisit(t, loopback(1), s.address)
		for _, i := range []int{256 + 1, 512 + 1} { // Norway, nowhere
			if name, err := visit(loopback(i), s.address); err == nil {
				t.Errorf("client %v is led to %s", loopback(i), name)
			}
		}
		s.do("no acl 1")
		s.do("acl 1 deny country NO")
		for i, want := range map[int]bool{1: true, 256 + 1: false, 512 + 1: true} {
			if name, err := visit(loopback(i), s.address); (err == nil) != want {
				t.Errorf("client %v is served: %v (%s)", loopback(i), err == nil, name)
			}
		}
	})
}
