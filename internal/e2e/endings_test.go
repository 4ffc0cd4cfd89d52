package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// obedient is a server that says one byte and then does what the client's byte tells it. A deaf one hears again when it can take an element of heard.
func obedient(t *testing.T, heard chan struct{}) *server {
	return serve(t, "", func(c conn) error {
		word := make([]byte, 1)
		if _, err := c.Write(word); err != nil {
			return nil
		}
		if _, err := c.Read(word); err != nil {
			return nil
		}
		switch word[0] {
		case 'f': // FIN
			return nil
		case 'r':
			reset(c)
			return nil
		case 'b': // more bytes than anybody holds, until it is told to stop
			piece := make([]byte, 256<<10)
			for {
				if _, err := c.Write(piece); err != nil {
					return nil
				}
			}
		case 'd': // deaf: it reads nothing
			<-heard
			return nil
		}
		_, _ = io.Copy(io.Discard, c)
		return nil
	})
}

// fullSocket is a Unix socket that accepts nothing, with as many waiting as it lets wait: the kernel refuses everybody else for the moment.
func fullSocket(t *testing.T, path string) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			return path
		}
		t.Cleanup(func() { c.Close() })
	}
}

// account is one connection's end as one of pen's windows tells it.
type account struct {
	Client, Server, Why, Cause, Error string
}

// endings is a balancer of which all windows are open.
type endings struct {
	*window
	control, log string
}

// set runs control commands, none of which may fail.
func (e *endings) set(commands ...string) {
	e.t.Helper()
	for _, command := range commands {
		if reply, err := controlReply(e.control, command); err != nil || strings.Contains(reply, "ignoring") {
			e.t.Fatalf("%s: %q, %v", command, reply, err)
		}
	}
}

// causes reads the counters of endings.
func (e *endings) causes() map[string]int {
	e.t.Helper()
	_, text := e.get("/metrics")
	all := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^pen_connections_ended_total\{cause="(\w+)"\} (\d+)$`).FindAllStringSubmatch(text, -1) {
		all[m[1]] = number(m[2])
	}
	return all
}

// logged waits for the line of a client in the log.
func (e *endings) logged(client string) (line account) {
	e.t.Helper()
	eventually(e.t, patience, "the end of "+client+" is in the log", func() bool {
		content, _ := os.ReadFile(e.log)
		for text := range strings.Lines(string(content)) {
			line = account{}
			if json.Unmarshal([]byte(text), &line) == nil && line.Client == client {
				return true
			}
		}
		return false
	})
	return line
}

// logfmt finds the fields of a line.
var logfmt = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S+)`)

// remembered is what the control port tells of the last abnormal endings, by client.
func (e *endings) remembered() map[string]account {
	e.t.Helper()
	reply, err := controlReply(e.control, "recent-closes")
	if err != nil {
		e.t.Fatal(err)
	}
	all := map[string]account{}
	for line := range strings.Lines(reply) {
		field := map[string]string{}
		for _, m := range logfmt.FindAllStringSubmatch(line, -1) {
			field[m[1]] = m[2]
			if text, err := strconv.Unquote(m[2]); err == nil {
				field[m[1]] = text
			}
		}
		all[field["client"]] = account{field["client"], field["server"], field["why"], field["cause"], field["error"]}
	}
	return all
}

// listed is what the page tells of them.
func (e *endings) listed() map[string]account {
	e.t.Helper()
	var list []account
	_, text := e.get("/api/v1/closes")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		e.t.Fatal(err)
	}
	all := map[string]account{}
	for _, a := range list {
		all[a.Client] = a
	}
	return all
}

// Each way in which a connection can end has its cause, and the log, the counters, the control port and the page tell the same.
func TestEndingsAreSeenAlike(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		heard := make(chan struct{}, 1)
		good, dir := obedient(t, heard), openDir(t)
		e := &endings{control: filepath.Join(dir, "control"), log: filepath.Join(dir, "log")}
		e.window = openWindow(t, poller, []string{"--check", "off", "-b", "0", "-u", "nobody", "-C", e.control, "-l", e.log, "--log-format", "json", "--drain", "0.2"}, good.address)
		closed, hole, full := closedPort(t), blackHole(t), fullSocket(t, filepath.Join(dir, "full"))
		at := func(address string) string {
			host, port, _ := net.SplitHostPort(address)
			return fmt.Sprintf("server 0 address %s port %s", host, port)
		}
		served := func(c *caller) { // a connection that stands from end to end
			if _, err := c.lines.ReadByte(); err != nil {
				t.Fatalf("client %v is not served: %v", c.LocalAddr(), err)
			}
		}
		told := func(word string) func(*caller) {
			return func(c *caller) {
				served(c)
				if _, err := io.WriteString(c, word); err != nil {
					t.Fatal(err)
				}
			}
		}
		says := func(text string) func(*caller) {
			return func(c *caller) { _, _ = io.WriteString(c, text) } // it may be gone by then
		}
		comes := func(*caller) {}
		var holder *caller
		holds := func() {
			holder = call(t, loopback(500), e.address)
			served(holder)
		}
		leaves := func() {
			holder.Close()
			e.logged(holder.LocalAddr().String())
		}
		rows := []struct {
			name   string
			set    []string
			before func()
			how    func(*caller)
			after  func()
			unset  []string
			cause  string
			server string // "": none
		}{
			{name: "the client ends", how: func(c *caller) { served(c); c.Close() }, cause: "client_fin", server: good.address},
			{name: "the client ends, half", how: func(c *caller) { served(c); _ = c.CloseWrite(); c.mustEnd(t, patience) }, cause: "client_fin", server: good.address},
			{name: "the client ends at once, fast", set: []string{"tcp_fastclose both"}, how: func(c *caller) { served(c); _ = c.CloseWrite() }, unset: []string{"tcp_fastclose off"}, cause: "client_fin", server: good.address},
			{name: "the server ends", how: func(c *caller) { told("f")(c); c.mustEnd(t, patience); c.Close() }, cause: "server_fin", server: good.address},
			{name: "the server ends, and that is that", set: []string{"tcp_fastclose up"}, how: told("f"), unset: []string{"tcp_fastclose off"}, cause: "server_fin", server: good.address},
			{name: "the client resets", how: func(c *caller) { served(c); reset(c.conn) }, cause: "client_reset", server: good.address},
			{name: "the client resets with bytes on the way", how: func(c *caller) { told("b")(c); _, _ = io.CopyN(io.Discard, c, 8<<20); reset(c.conn) }, cause: "client_reset", server: good.address},
			{name: "the server resets", how: told("r"), cause: "server_reset", server: good.address},
			{name: "the client takes nothing any more", set: []string{"user_timeout 1"}, how: told("b"), unset: []string{"user_timeout 60"}, cause: "client_lost", server: good.address},
			{name: "the server takes nothing any more", set: []string{"user_timeout 1"}, how: func(c *caller) { told("d")(c); _ = fill(c) }, after: func() { heard <- struct{}{} }, unset: []string{"user_timeout 60"}, cause: "server_lost", server: good.address},
			{name: "the server refuses", set: []string{at(closed)}, how: comes, unset: []string{at(good.address)}, cause: "connect_refused", server: closed},
			{name: "the stubborn client's server refuses", set: []string{at(closed), "stubborn"}, how: comes, unset: []string{at(good.address), "no stubborn"}, cause: "connect_refused", server: closed},
			{name: "the server's socket is not there", set: []string{"server 0 address " + filepath.Join(dir, "nobody")}, how: comes, unset: []string{at(good.address)}, cause: "connect_refused", server: filepath.Join(dir, "nobody")},
			{name: "the emergency server refuses too", set: []string{at(closed), "emergency " + closed}, how: comes, unset: []string{at(good.address), "no emergency"}, cause: "connect_refused", server: closed},
			{name: "the server does not answer", set: []string{at(hole), "timeout 0.1"}, how: comes, unset: []string{at(good.address), "timeout 5"}, cause: "connect_timeout", server: hole},
			{name: "the server is blacklisted", set: []string{"server 0 blacklist 60"}, how: comes, unset: []string{"server 0 blacklist 0"}, cause: "no_server"},
			{name: "the server is drained", set: []string{"server 0 drain"}, how: comes, unset: []string{"server 0 undrain"}, cause: "no_server"},
			{name: "the server is full", set: []string{"server 0 max 1"}, before: holds, how: comes, after: leaves, unset: []string{"server 0 max 0"}, cause: "limit"},
			{name: "the client may not come in", set: []string{"acl 3 deny 127.0.0.0 255.0.0.0", "client_acl 3"}, how: comes, unset: []string{"client_acl 0"}, cause: "denied"},
			{name: "nothing moves", set: []string{"idle_timeout 1"}, how: served, unset: []string{"idle_timeout 0"}, cause: "idle", server: good.address},
			{name: "the dummy waits for a request", set: []string{"dummy", "idle_timeout 1"}, how: comes, unset: []string{"no dummy", "idle_timeout 0"}, cause: "idle"},
			{name: "the dummy answers", set: []string{"dummy"}, how: says("GET / HTTP/1.0\r\n\r\n"), unset: []string{"no dummy"}, cause: "answered"},
			{name: "the operator closes it", how: func(c *caller) {
				served(c)
				var open struct{ List []struct{ Number int } }
				_, text := e.get("/api/v1/connections")
				if err := json.Unmarshal([]byte(text), &open); err != nil || len(open.List) != 1 {
					t.Fatalf("connections: %s", text)
				}
				e.set(fmt.Sprint("close ", open.List[0].Number))
			}, cause: "forced", server: good.address},
			{name: "the request is no good", set: []string{"http"}, how: says("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), unset: []string{"no http"}, cause: "bad_request", server: good.address},
			{name: "the queue of the server's socket is full", set: []string{"server 0 address " + full}, how: comes, unset: []string{at(good.address)}, cause: "local", server: full},
		}
		want := map[string]account{}
		for i, row := range rows {
			t.Logf("%s", row.name)
			e.set(row.set...)
			if row.before != nil {
				row.before()
			}
			before := e.causes()
			c := call(t, loopback(i+1), e.address)
			row.how(c)
			got := e.logged(c.LocalAddr().String())
			if got.Cause != row.cause || got.Server != row.server {
				t.Errorf("%s: the log says %+v, want cause %s, server %q", row.name, got, row.cause, row.server)
			}
			var grown map[string]int
			eventually(t, patience, row.name+": it is counted", func() bool { // just behind the line in the log
				grown = map[string]int{}
				for cause, n := range e.causes() {
					if n > before[cause] {
						grown[cause] = n - before[cause]
					}
				}
				return grown[row.cause] > 0
			})
			if len(grown) != 1 || grown[row.cause] != 1 {
				t.Errorf("%s: the counters have grown by %v", row.name, grown)
			}
			switch row.cause {
			case "client_fin", "server_fin", "answered": // these are no news
			default:
				want[got.Client] = got
			}
			c.Close()
			if row.after != nil {
				row.after()
			}
			e.set(row.unset...)
		}
		_, page := e.get("/")
		for window, look := range map[string]func() map[string]account{"the control port": e.remembered, "the page": e.listed} {
			var got map[string]account
			eventually(t, patience, window+" tells of all of them", func() bool { got = look(); return len(got) == len(want) })
			for client, a := range want {
				if got[client] != a {
					t.Errorf("%s says %+v, the log %+v", window, got[client], a)
				}
			}
		}
		for client := range want {
			if !strings.Contains(page, "<td>"+client+"</td>") {
				t.Errorf("the page has no %s", client)
			}
		}
		last := call(t, loopback(400), e.address)
		served(last)
		e.signal(syscall.SIGTERM)
		if got := e.logged(last.LocalAddr().String()); got.Cause != "drained" || got.Server != good.address {
			t.Errorf("the process ends: the log says %+v", got)
		}
		e.wait(stopLimit)
		shown(t, "%s: %d ways to end, told alike by log, counters, control port and page", poller, len(rows)+1)
	})
}
