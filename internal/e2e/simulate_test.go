package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// regulars are known clients of a steered balancer, some of whom hold a connection, and where each was last.
type regulars struct {
	*steered
	names  map[string]string // of the servers, by address
	counts bool              // the algorithm goes by live connections, so each must have ended before the next begins
	at     map[netip.Addr]string
	held   map[netip.Addr]*caller
}

// settled waits until pen has seen the end of every connection that has ended.
func (r *regulars) settled() {
	r.t.Helper()
	want := map[string]int{}
	for addr := range r.held {
		want[r.at[addr]]++
	}
	eventually(r.t, patience, "pen counts the held connections and no more", func() bool {
		for line := range strings.Lines(r.quick("servers")) {
			var n, port, live int
			var addr string
			if _, err := fmt.Sscanf(line, "%d addr %s port %d conn %d", &n, &addr, &port, &live); err == nil && live != want[r.names[net.JoinHostPort(addr, fmt.Sprint(port))]] {
				return false
			}
		}
		return true
	})
}

// come is a client's connection, which ends at once or, if it has held one, takes that one's place.
func (r *regulars) come(from netip.Addr, hold bool) string {
	r.t.Helper()
	if c := r.held[from]; c != nil {
		c.Close()
		delete(r.held, from)
		r.settled()
	}
	c, err := connect(from, r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	caller := &caller{c, bufio.NewReader(c)}
	r.at[from] = caller.mustName(r.t)
	if hold {
		r.t.Cleanup(func() { c.Close() })
		r.held[from] = caller
		return r.at[from]
	}
	c.Close()
	if r.counts {
		r.settled()
	}
	return r.at[from]
}

// order is the known clients in the order of the table.
func (r *regulars) order() (all []netip.Addr) {
	for line := range strings.Lines(r.quick("recent 99999")) {
		name, _, _ := strings.Cut(line, " ")
		addr, err := netip.ParseAddr(name)
		if err != nil {
			r.t.Fatalf("recent: %q: %v", line, err)
		}
		all = append(all, addr)
	}
	return all
}

var (
	moveLine   = regexp.MustCompile(`(?m)^(\d+ (?:clients|connections)) move from server \d+ (\S+) to server \d+ (\S+)$`)
	answerLine = regexp.MustCompile(`(?m)^answer: server \d+ (\S+) at \S+ \(\w+\)\n\z`)
)

// foretells holds the reply to `simulate` against what happens when the event is made to happen. On the way every tenth client is explained before it comes.
func (r *regulars) foretells(command string, happen func()) (moved int) {
	r.t.Helper()
	reply := r.do("simulate " + command)
	predicted := map[string]bool{}
	for _, m := range moveLine.FindAllStringSubmatch(reply, -1) {
		predicted[fmt.Sprint(m[1], " ", r.names[m[2]], " to ", r.names[m[3]])] = true
	}
	happen()
	clients, connections := map[[2]string]int{}, map[[2]string]int{}
	for i, addr := range r.order() {
		from, hold, explained := r.at[addr], r.held[addr] != nil, ""
		if i%10 == 0 && !hold {
			answer := r.quick("explain " + addr.String())
			m := answerLine.FindStringSubmatch(answer)
			if m == nil {
				r.t.Fatalf("explain %v: no answer in\n%s", addr, answer)
			}
			explained = r.names[m[1]]
		}
		to := r.come(addr, hold)
		if explained != "" && explained != to {
			r.t.Errorf("%s: client %v goes to %s, explained as %s", command, addr, to, explained)
		}
		if from != to {
			clients[[2]string{from, to}]++
		}
		if from != to && hold {
			connections[[2]string{from, to}]++
		}
	}
	real := map[string]bool{}
	for what, moves := range map[string]map[[2]string]int{"clients": clients, "connections": connections} {
		for pair, n := range moves {
			moved += n
			real[fmt.Sprintf("%d %s %s to %s", n, what, pair[0], pair[1])] = true
		}
	}
	if !maps.Equal(predicted, real) {
		r.t.Errorf("simulate %s: %v came true as %v; the reply was\n%s", command, predicted, real, reply)
	}
	return moved
}

// What `simulate` predicts is what then happens, and what `explain` answers is where the client then goes, whatever the algorithm.
func TestSimulateAndExplainComeTrue(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for name, flags := range map[string]string{
			"affinity": "", "roundrobin": "-r", "weight": "-W", "prio": "--prio", "hash": "-h", "pen-hash": "--pen-hash", "least-conn": "--least-conn",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				servers, addresses := serveNamed(t, 5)
				at := map[string]string{}
				for i, address := range addresses {
					at[address] = farmName(i)
				}
				var farm []string
				for i, address := range addresses[:4] {
					farm = append(farm, fmt.Sprintf("%s:0:0:%d:%d", address, 1+i, 1+i%2))
				}
				words := append(strings.Fields(flags), "--check", "tcp", "--check-interval", "0.05", "--rise", "1")
				r := &regulars{steer(t, poller, false, words, farm...), at, name == "weight" || name == "least-conn", map[netip.Addr]string{}, map[netip.Addr]*caller{}}
				for i := range sized(200, 1000) {
					r.come(netip.AddrFrom4([4]byte{127, 0, byte(1 + i>>8), byte(i)}), i%5 == 0)
				}
				seenDown := func(down bool) {
					t.Helper()
					eventually(t, patience, fmt.Sprint("server 1 is down: ", down), func() bool {
						return strings.Contains(r.quick("explain 127.99.99.99"), "server 1 "+addresses[1]+" is left out of the choice: down by its health checks") == down
					})
				}
				away := r.foretells("server 1 down", func() {
					servers[1].close()
					seenDown(true)
				})
				home := r.foretells("server 1 up", func() {
					serve(t, addresses[1], named("b"))
					seenDown(false)
				})
				r.foretells("server 2 drain", func() { r.do("server 2 drain") })
				r.foretells("server 1 blacklist 3600", func() { r.do("server 1 blacklist 3600") })
				r.foretells("server 1 blacklist 0", func() { r.do("server 1 blacklist 0") })
				r.foretells("no server 1", func() { r.do("no server 1") })
				_, port, _ := net.SplitHostPort(addresses[4])
				file := filepath.Join(r.dir, "new.conf")
				text := fmt.Sprintf("no server 0\nserver 3 weight 9 prio 0\nserver 2 undrain\nserver 4 address 127.0.0.1 port %s weight 3\n", port)
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				r.foretells("file "+file, func() { r.do("include " + file) })
				if name != "roundrobin" && home != away {
					t.Errorf("%d move away from the server that is down, and %d come back", away, home)
				}
				shown(t, "%s: %s: %d known clients, %d connections: 7 events as `simulate` predicts, %d clients and connections moved by the first", poller, name, len(r.at), len(r.held), away)
			})
		}
	})
}

// Neither word does anything, and a file over the network is one of --control-files.
func TestSimulateAndExplainDoNothing(t *testing.T) {
	_, addresses := serveNamed(t, 3)
	eachPoller(t, func(t *testing.T, poller string) {
		early := []string{"-O", "explain 127.0.0.1", "-O", "simulate weight"} // when there is nothing to ask yet
		s := steer(t, poller, false, early, addresses...)
		s.logs("simulate: nothing is served yet")
		for i := range 9 {
			mustVisit(t, loopback(i), s.address)
		}
		state := func() string {
			file := filepath.Join(s.dir, "state")
			s.do("write " + file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := bytes.Cut(text, []byte("\n# ")) // without the date
			return string(rest) + s.quick("servers") + s.quick("recent 99999")
		}
		before := state()
		outside := filepath.Join(openDir(t), "new.conf")
		if err := os.WriteFile(outside, []byte("weight\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"server 0 down", "server 7 address 127.0.0.1 port 9", "no server 1", "weight", "clients_max 9999", "listen 127.0.0.1:1", "server 2 drain"} {
			if reply := s.do("simulate " + command); !strings.HasSuffix(reply, " of 9 clients and 0 of 0 connections move\n") {
				t.Errorf("simulate %s: %q", command, reply)
			}
		}
		for i := range 12 {
			s.do("explain " + loopback(i).String())
		}
		if code, reply := run(t, program, "ctl", s.control, "simulate", "file", outside); code == 0 || !strings.Contains(reply, "--control-files") {
			t.Errorf("a file outside of --control-files: status %d, %q", code, reply)
		}
		if after := state(); after != before {
			t.Errorf("from\n%s\nto\n%s", before, after)
		}
	})
}
