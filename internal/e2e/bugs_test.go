package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// PEN.md B13: `source` left a random port, so that all connections but the first asked for one that was taken, and went out from another address.
func TestB13SourceForManyConnections(t *testing.T) {
	t.Parallel()
	const many, source = 50, "127.0.0.9"
	eachPoller(t, func(t *testing.T, poller string) {
		origin := serve(t, "", func(c conn) error {
			host, _, err := net.SplitHostPort(c.RemoteAddr().String())
			_, _ = fmt.Fprintln(c, host)
			_, _ = io.Copy(io.Discard, c)
			return err
		})
		from := func(c *contestant) (right int) {
			c.command("source " + source)
			for i := range many {
				if call(t, loopback(i), c.address).mustName(t) == source {
					right++
				}
			}
			return right
		}
		flags := []string{"-u", "nobody"}
		if n := from(startOracle(t, openDir(t), flags, []string{origin.address})); n > many/2 {
			t.Errorf("Debian's pen makes %d of %d connections from the address", n, many)
		}
		if n := from(startOurs(t, poller, 2, openDir(t), flags, []string{origin.address})); n != many {
			t.Errorf("ours makes %d of %d connections from the address", n, many)
		}
	})
}

// PEN.md B18: with -H a read that filled Pen's buffer of 32 KiB wrote one byte behind it, and the request went on without the client's address. Here it has it at any length, and nothing else is changed.
func TestB18ForwardedWithReadsOfAnyLength(t *testing.T) {
	t.Parallel()
	const buffer = 32 << 10
	eachPoller(t, func(t *testing.T, poller string) {
		got := make(chan []byte)
		server := serve(t, "", func(c conn) error {
			all, err := io.ReadAll(c)
			got <- all
			return err
		})
		pens, ours := startOracle(t, openDir(t), []string{"-H"}, []string{server.address}), launch{poller: poller, flags: []string{"-H"}, servers: []string{server.address}}.start(t)
		const field = "X-Forwarded-For: "
		// told sends a request of so many bytes and says whether the client's address came with it. What else came must be what was sent.
		told := func(address string, size int) bool {
			const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %05d\r\n\r\n"
			length := size - len(fmt.Sprintf(head, 0))
			sent := append(fmt.Appendf(nil, head, length), bytes.Repeat([]byte("b"), length)...)
			c, err := connect(loopback(1), address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			_ = c.CloseWrite()
			came := <-got
			before, body, _ := bytes.Cut(came, []byte("\r\n\r\n"))
			var rest []string
			for line := range strings.SplitSeq(string(before), "\r\n") {
				if !strings.HasPrefix(line, "X-Forwarded-") {
					rest = append(rest, line)
				}
			}
			if again := strings.Join(rest, "\r\n") + "\r\n\r\n" + string(body); again != string(sent) {
				t.Errorf("%s, %d bytes: what came is not what was sent: %.100q…", address, size, again)
			}
			return bytes.Contains(before, []byte(field+loopback(1).String()))
		}
		for _, size := range []int{buffer - 1, buffer, buffer + 1, 2 * buffer, 2*buffer + 1} {
			if !told(ours.address, size) {
				t.Errorf("with a request of %d bytes ours does not tell who the client is", size)
			}
		}
		if !told(pens.address, buffer/2) || told(pens.address, 2*buffer) {
			t.Error("Debian's pen tells who the client is, or not, with another length than thought")
		}
	})
}

// PEN.md B23: idlers wrote before the table of clients, and one that was connected at once, as to a Unix socket, ended Pen.
func TestB23IdlersOfAnyKind(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		for _, address := range []string{"", filepath.Join(openDir(t), "server")} {
			server := serve(t, address, named("a"))
			if address != "" {
				if err := os.Chmod(address, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			flags := []string{"-u", "nobody"}
			pens, ours := startOracle(t, openDir(t), flags, []string{server.address}), startOurs(t, poller, 1, openDir(t), flags, []string{server.address})
			_, _ = controlReply(pens.control, "idlers 3") // its end may be the answer
			select {
			case <-pens.ended:
			case <-time.After(patience):
				t.Error("Debian's pen survives idlers")
			}
			ours.command("idlers 3")
			eventually(t, patience, "three idlers are there", func() bool { return ours.command("idlers") == "Idlers: 3/3\n" })
			mustVisit(t, loopback(1), ours.address)
			if got := ours.command("recent"); strings.Count(got, "\n") > 2 || !strings.Contains(got, loopback(1).String()+" connects 1 ") {
				t.Errorf("with three idlers and one visit the clients are %q", got)
			}
			ours.command("idlers 0")
			eventually(t, patience, "the idlers are gone", func() bool { return ours.command("idlers") == "Idlers: 0/0\n" })
		}
	})
}

// PEN.md B24: the name that a TLS client asks for became a file name, and for each new one Pen kept a context for good. TLS is a later issue's: until then whoever asks for it is told so,
// and what clients send goes through unread: no name opens a file, and nothing is kept.
func TestB24NoNameFromAClientIsAFile(t *testing.T) {
	const names, marker = 200, "sesame"
	eachPoller(t, func(t *testing.T, poller string) {
		for _, flag := range []string{"-E", "-K", "-G", "-A", "-L"} {
			if code, output := run(t, program, "-f", flag, "x", closedPort(t), "127.0.0.1:1"); code != usage || !strings.Contains(output, flag) {
				t.Errorf("%s: status %d, %q", flag, code, output)
			}
		}
		trace := filepath.Join(t.TempDir(), "trace")
		echo := serve(t, "", func(c conn) error { _, _ = io.Copy(c, c); return nil })
		b := launch{poller: poller, servers: []string{echo.address}, under: []string{"strace", "-f", "--seccomp-bpf", "-qq", "-s", "1000", "-e", "trace=open,openat,openat2,stat,newfstatat,access,readlink", "-o", trace}}.start(t)
		for i := range names {
			hello := helloFor(t, fmt.Sprintf("../../../../tmp/%s%d", marker, i))
			c, err := connect(loopback(i), b.address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(hello); err != nil {
				t.Fatal(err)
			}
			_ = c.CloseWrite()
			if back, err := io.ReadAll(c); err != nil || !bytes.Equal(back, hello) || !bytes.Contains(back, []byte(marker)) {
				t.Fatalf("of the %d bytes of a TLS hello there are %d after pen, %v", len(hello), len(back), err)
			}
			c.Close()
		}
		b.finish()
		if calls, err := os.ReadFile(trace); err != nil || len(calls) == 0 || bytes.Contains(calls, []byte(marker)) {
			t.Errorf("a name that a client sent is in one of pen's calls, or strace saw none (%d bytes, %v)", len(calls), err)
		}
	})
}

// helloFor is the first message of a TLS client that asks for a name.
func helloFor(t *testing.T, name string) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	hello := make(chan []byte, 1)
	go func() {
		buf := make([]byte, 16<<10)
		n, _ := far.Read(buf)
		hello <- buf[:n]
		far.Close()
	}()
	_ = tls.Client(near, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake() // which nobody answers
	near.Close()
	return <-hello
}

// PEN.md B26: what DSR went by was worked out once, so that no blacklist, weight or server told later had an effect. DSR is a later issue's; what there is goes by what holds, at once,
// with each way to choose. The clients of -r are new each time.
func TestB26ChangesHoldAtOnce(t *testing.T) {
	t.Parallel()
	const clients = 60
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 4)
		host, port, _ := net.SplitHostPort(addresses[3])
		for _, way := range []string{"hash", "weight", "least_conn", "no hash"} { // the last is round robin
			s := steer(t, poller, true, []string{"-r"}, addresses[0]+":0:0:10", addresses[1]+":0:0:10", addresses[2]+":0:0:10")
			s.do(way)
			used := func() map[string]int {
				seen := map[string]int{}
				var open []*caller
				for i := range clients {
					c := call(t, loopback(i), s.address)
					seen[c.mustName(t)]++
					open = append(open, c)
				}
				for _, c := range open {
					c.Close()
				}
				eventually(t, patience, "the connections have ended", func() bool {
					return strings.Count(s.quick("servers"), " conn 0 ") == strings.Count(s.quick("servers"), "\n")
				})
				return seen
			}
			expect := func(when string, want map[string]bool) {
				t.Helper()
				got := used()
				for _, name := range []string{"a", "b", "c", "d"} {
					if (got[name] > 0) != want[name] {
						t.Errorf("%s, %s: %v, want all of %v", way, when, got, want)
						return
					}
				}
			}
			expect("at first", map[string]bool{"a": true, "b": true, "c": true})
			s.do("server 0 blacklist 60")
			expect("a blacklisted", map[string]bool{"b": true, "c": true})
			s.do("server 0 blacklist 0")
			expect("no longer", map[string]bool{"a": true, "b": true, "c": true})
			s.do("server 3 address " + host + " port " + port + " weight 10")
			expect("d added", map[string]bool{"a": true, "b": true, "c": true, "d": true})
			s.do("no server 1")
			expect("b removed", map[string]bool{"a": true, "c": true, "d": true})
			if way == "hash" || way == "weight" {
				before := used()
				s.do("server 3 weight 200")
				if after := used(); after["d"] < before["d"]+clients/5 {
					t.Errorf("%s: with weight 10 d had %d of %d clients, and with 200 %d", way, before["d"], clients, after["d"])
				}
			}
			s.finish()
		}
	})
}

// PEN.md B27: each accept looked through the table of clients. Here a connection costs no more CPU time with 1 000 000 slots than with 2048, and Debian's pen shows what it costs there.
// Pen's other costs are shown elsewhere: docs/pen-bugs.md.
func TestB27ALargeTableCostsNoMore(t *testing.T) {
	const large, most = "1000000", 2.0
	_, addresses := serveNamed(t, 1)
	// each is the CPU time for a connection of a new client, in the cheapest of five groups, as the host's other guests cost some of them dearly. That of starting, and of a table's
	// first use, is paid by a group before.
	each := func(p process, address string, group int) time.Duration {
		var client int
		best := time.Duration(math.MaxInt64)
		for round := range 6 {
			before := p.busy()
			for range group {
				mustVisit(t, loopback(client), address)
				client++
			}
			if round > 0 {
				best = min(best, (p.busy()-before)/time.Duration(group))
			}
		}
		return best
	}
	eachPoller(t, func(t *testing.T, poller string) {
		var pens, ours [2]time.Duration
		for i, slots := range []string{"2048", large} {
			c := startOracle(t, openDir(t), []string{"-c", slots}, addresses)
			pens[i] = each(c.process, c.address, 10) // more of them would take a minute
			b := launch{poller: poller, flags: []string{"-c", slots}, servers: addresses}.start(t)
			ours[i] = each(b.process, b.address, 50)
		}
		growth := func(of [2]time.Duration) float64 { return float64(of[1]) / float64(of[0]) }
		if growth(ours) > most || growth(pens) < most {
			t.Errorf("with %s slots for 2048 a connection costs Debian's pen %v for %v, and ours %v for %v", large, pens[1], pens[0], ours[1], ours[0])
		}
		shown(t, "%s: CPU time for a connection of a new client with 2048 and with %s slots: Debian's pen %v and %v, ours %v and %v", poller, large, pens[0], pens[1], ours[0], ours[1])
	})
}
