package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// differences are all that is deliberately other than in Debian's pen: PEN.md B1 to B28, and what issue 2 prescribes. One that can be seen from outside has a scene that shows it on both,
// or is a quirk of the schedules; the others say why they cannot, and who shows ours.
var differences = []struct {
	number, what string
	scene        func(t *testing.T, poller string) // nil: see instead
	instead      string
}{
	{"B1", "with its default poller a refused connect ends the client", sceneB1, ""},
	{"B2", "IPv6 clients, and IPv4 ones on an IPv6 listener, are one client", sceneB2, ""},
	{"B3", "a silent control client freezes all", sceneB3, ""},
	{"B4", "spins while connects are pending", sceneB4, ""},
	{"B5", "-T does not forget", sceneB5, ""},
	{"B6", "a half-close loses data", sceneB6, ""},
	{"B7", "idle_timeout beyond the number of connections never fires", sceneB7, ""},
	{"B8", "a failover takes the home away", nil, "a quirk of TestDifferential"},
	{"B9", "a denied client gets the emergency server", nil, "a quirk of TestDifferential"},
	{"B10", "a word without its argument crashes", sceneB10, ""},
	{"B11", "close of a free number changes the count", sceneB11, ""},
	{"B12", "-h looks at the first octet", sceneB12, ""},
	{"B13", "source leaves a random port", nil, "what lies in Pen's memory is zero by luck; ours: TestNetnsTransparentSource"},
	{"B14", "conn_max overflows the heap", nil, "an overflow shows by luck; ours: TestConnMaxAtRunTime"},
	{"B15", "a second start on the port succeeds", sceneB15, ""},
	{"B16", "the dump of USR1 has pointers in it", sceneB16, ""},
	{"B17", "connects that failed are taken from the counts", nil, "a quirk of TestDifferential"},
	{"B18", "one byte too far with -H and in penlogd", nil, "one byte of a stack shows by luck; ours: internal/forwarded and internal/weblog"},
	{"B19", "penlogd dies of an address", nil, "TestPenlogdSurvives"},
	{"B20", "long requests never match", nil, "TestLogsMeet"},
	{"B21", "a prefix of a request matches", nil, "TestLogsMeet"},
	{"B22", "mergelogs is an hour off and has no zone", nil, "the hour is by luck; ours: internal/weblog"},
	{"B23", "idlers write before their table", nil, "a stray write shows by luck; ours: TestRuntimeModes"},
	{"B24", "SNI", nil, "TLS is a later issue's"},
	{"B25", "a stale event reaches a new connection", nil, "a race of one poll, which TestDifferential takes into account; ours: loop"},
	{"B26", "DSR's table", nil, "DSR is a later issue's"},
	{"B27", "a scan of the client table per accept", nil, "a matter of time; ours: affinity's benchmarks"},
	{"B28", "the control port writes any file", sceneB28, ""},
	{"fail-open", "nobody is tried when all are out", nil, "a quirk of TestDifferential"},
	{"dual stack", "a port alone is IPv4 only", sceneDualStack, ""},
	{"connection numbers", "one table gives them out in turn; ours are each loop's own, the last one that became free first, since the loops share no table to look for one in", sceneNumbers, ""},
	{"defaults", "timeout 3 s and Nagle's algorithm, where the manual and issue 2 say 5 s and none", sceneDefaults, ""},
}

// Every deliberate difference is there, in Debian's pen and not in ours.
func TestDeliberateDifferences(t *testing.T) {
	for _, d := range differences {
		if d.scene == nil {
			continue
		}
		t.Run(d.number, func(t *testing.T) {
			t.Parallel()
			eachPoller(t, d.scene)
		})
	}
	for n := range 28 {
		if d := differences[n]; d.number != fmt.Sprint("B", n+1) || d.scene == nil && d.instead == "" {
			t.Errorf("difference %d is %q", n+1, d.number)
		}
	}
}

// both starts the two with the same words, on two or more of the farm's servers.
func both(t *testing.T, poller string, servers int, flags ...string) (pens, ours *contestant, farm []*farmServer) {
	t.Helper()
	farm, _ = startFarm(t)
	var at []string
	for _, s := range farm[:servers] {
		at = append(at, s.address)
	}
	flags = append([]string{"-u", "nobody"}, flags...)
	return startOracle(t, openDir(t), flags, at), startOurs(t, poller, 1, openDir(t), flags, at), farm
}

const ask = "GET / HTTP/1.0\r\n\r\n"

func sceneB1(t *testing.T, poller string) {
	farm, _ := startFarm(t)
	farm[1].downNow() // the first client's
	servers := []string{farm[0].address, farm[1].address}
	pens := startPen(t, openDir(t), fmt.Sprint("127.0.0.1:", freePort(t)), nil, servers)
	ours := startOurs(t, poller, 1, openDir(t), nil, servers)
	if name := pens.visit(0, ask, false); name != "closed" {
		t.Errorf("Debian's pen with epoll leads the client to %s", name)
	}
	if name := ours.visit(0, ask, false); name != "a" {
		t.Errorf("ours leads the client to %s", name)
	}
}

func sceneB2(t *testing.T, poller string) {
	farm, _ := startFarm(t)
	servers := []string{farm[0].address, farm[1].address, farm[2].address}
	port := freePort(t)
	pens := startPen(t, openDir(t), fmt.Sprintf(":::%d", port), []string{"-P"}, servers)
	pens.address = fmt.Sprint("127.0.0.1:", port)
	ours := launch{poller: poller, listen: fmt.Sprint(freePort(t)), servers: servers}.start(t)
	seen := map[string]map[string]bool{"pen": {}, "ours": {}}
	for i := range farmClients {
		seen["pen"][pens.visit(i, ask, false)] = true
		name, err := visit(farmClient(i), "127.0.0.1:"+ours.address)
		if err != nil {
			t.Fatal(err)
		}
		seen["ours"][name] = true
	}
	if len(seen["pen"]) != 1 || len(seen["ours"]) != 3 {
		t.Errorf("%d clients are led to %v", farmClients, seen)
	}
}

func sceneB3(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 2)
	for _, c := range []*contestant{pens, ours} {
		silent, err := net.Dial("unix", c.control)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		conn, err := connect(farmClient(0), c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		limit := 300 * time.Millisecond
		if c == ours {
			limit = patience
		}
		name, err := (&caller{conn, bufio.NewReader(conn)}).name(limit)
		if frozen := os.IsTimeout(err); frozen != (c == pens) {
			t.Errorf("ours %v: beside a silent control client a client gets %q, %v", c == ours, name, err)
		}
	}
}

func sceneB4(t *testing.T, poller string) {
	hole := blackHole(t)
	start := func(timeout string) []string { return []string{"-u", "nobody", "-t", timeout, "-O", "pending_max 1"} }
	pens, ours := startOracle(t, openDir(t), start("60"), []string{hole}), startOurs(t, poller, 1, openDir(t), start("4"), []string{hole})
	const spun = 200 * time.Millisecond // of CPU time
	for _, c := range []*contestant{pens, ours} {
		for i := range 3 {
			conn, err := connect(farmClient(i), c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		eventually(t, patience, "a connect is pending", func() bool { return c.sockets() >= 3 })
		before := c.busy()
		if c == pens {
			eventually(t, patience, "Debian's pen spins", func() bool { return c.busy()-before > spun })
			continue
		}
		<-time.After(time.Second) // over which it is measured
		if used := c.busy() - before; used > spun/2 {
			t.Errorf("in a second with connects pending ours used %v of CPU time", used)
		}
	}
}

func sceneB5(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 3, "-T", "1")
	for _, c := range []*contestant{pens, ours} {
		if name := c.visit(0, ask, false); name != "b" {
			t.Fatalf("the first client is led to %s", name)
		}
	}
	<-time.After(2200 * time.Millisecond) // Pen counts in whole seconds
	if name := pens.visit(0, ask, false); name != "b" {
		t.Errorf("Debian's pen leads a forgotten client to %s", name)
	}
	if name := ours.visit(0, ask, false); name != "c" {
		t.Errorf("ours leads a forgotten client to %s, want the next in turn", name)
	}
}

func sceneB6(t *testing.T, poller string) {
	const size = 200_000
	s := serve(t, "", func(c conn) error {
		if _, err := io.Copy(io.Discard, c); err == nil {
			_, _ = c.Write(make([]byte, size))
		}
		return nil
	})
	short := func(c *contestant) bool {
		conn, err := connect(farmClient(0), c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, ask)
		_ = conn.CloseWrite()
		n, _ := io.Copy(io.Discard, conn)
		return n < size
	}
	// Pen loses it with its default poller only.
	pens, ours := startPen(t, openDir(t), fmt.Sprint("127.0.0.1:", freePort(t)), nil, []string{s.address}), startOurs(t, poller, 1, openDir(t), nil, []string{s.address})
	lost := false
	for range 200 {
		if lost = lost || short(pens); lost {
			break
		}
	}
	if !lost {
		t.Errorf("Debian's pen lost nothing in 200 downloads")
	}
	for range 50 {
		if short(ours) {
			t.Fatalf("ours lost data")
		}
	}
}

func sceneB7(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 1, "-x", "2", "-O", "idle_timeout 3")
	pens.visit(0, ask, true)
	ours.visit(0, ask, true)
	ours.held[0].mustEnd(t, 10*time.Second)
	ours.held[0].Close()
	ours.held[0] = nil
	<-time.After(time.Second) // it was started first and should have ended
	_ = pens.held[0].SetReadDeadline(time.Now().Add(pause))
	if _, err := pens.held[0].lines.ReadByte(); !os.IsTimeout(err) {
		t.Errorf("Debian's pen has ended an idle connection: %v", err)
	}
}

func sceneB10(t *testing.T, poller string) {
	for _, line := range []string{"no acl", "source"} {
		pens, ours, _ := both(t, poller, 1)
		_, _ = controlReply(pens.control, line)
		select {
		case <-pens.ended:
		case <-time.After(patience):
			t.Errorf("Debian's pen survives %q", line)
		}
		ours.command(line)
		if name := ours.visit(0, ask, false); name != "a" {
			t.Errorf("after %q ours leads a client to %s", line, name)
		}
	}
}

func sceneB11(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 1, "-w", "/tmp/pen-e2e-html-is-not-written-there/html")
	for _, c := range []*contestant{pens, ours} {
		c.command("web_stats " + filepath.Join(c.dir, "html"))
		c.visit(0, ask, true)
		if reply := c.command("close 100"); reply != "Forcibly closing connection 100\n" {
			t.Errorf("ours %v: close of a free number: %q", c == ours, reply)
		}
		want := map[bool]string{true: " 1 used, ", false: " 0 used, "}[c == ours]
		if page := c.command("status"); !strings.Contains(page, want) {
			t.Errorf("ours %v: with one connection open, after close of a free number, the page does not say%q", c == ours, want)
		}
	}
}

func sceneB12(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 4, "-h")
	seen := map[bool]map[string]bool{true: {}, false: {}}
	for i := range farmClients {
		for _, c := range []*contestant{pens, ours} {
			name := c.visit(i, ask, false)
			seen[c == ours][name] = true
			if again := c.visit(i, ask, false); again != name {
				t.Errorf("ours %v: client %d was at %s and is at %s", c == ours, i, name, again)
			}
		}
	}
	// The farm's ports change from run to run, and our placement with them: that all clients meet on one server by chance happens once in 16 000 runs, that they leave two unused once in 40.
	if len(seen[false]) != 1 || len(seen[true]) < 2 {
		t.Errorf("%d clients on 4 servers: Debian's pen leads them to %v, ours to %v", farmClients, seen[false], seen[true])
	}
}

func sceneB15(t *testing.T, poller string) {
	pens, ours, farm := both(t, poller, 1)
	startPen(t, openDir(t), pens.address, []string{"-P"}, []string{farm[0].address})
	code, output := launch{poller: poller, listen: ours.address, servers: []string{farm[0].address}}.run(t, "-f")
	if code != failed || !strings.Contains(output, ours.address) {
		t.Errorf("a second start of ours: status %d, %q", code, output)
	}
}

func sceneB16(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 1)
	ours.command("debug 1") // without which ours leaves the clients out
	for _, c := range []*contestant{pens, ours} {
		c.visit(0, ask, false)
		if err := syscall.Kill(int(c.process), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "the dump is there", func() bool { return strings.Contains(c.log.String(), "Active connections") })
	}
	line := func(c *contestant) string {
		_, after, _ := strings.Cut(c.log.String(), "Active clients")
		after, _, _ = strings.Cut(after, "Active connections")
		return after
	}
	client := farmClient(0).String()
	if !strings.Contains(line(ours), client) || strings.Contains(line(pens), client) {
		t.Errorf("clients in the dump of Debian's pen: %s\nof ours: %s", line(pens), line(ours))
	}
}

func sceneB28(t *testing.T, poller string) {
	farm, _ := startFarm(t)
	outside := openDir(t)
	for _, program := range []string{"pen", "ours"} {
		control := fmt.Sprint("127.0.0.1:", freePort(t))
		flags := []string{"-u", "nobody", "-C", control}
		if program == "pen" {
			startPen(t, openDir(t), fmt.Sprint("127.0.0.1:", freePort(t)), append([]string{"-P"}, flags...), []string{farm[0].address})
		} else {
			launch{poller: poller, flags: flags, servers: []string{farm[0].address}}.start(t)
		}
		file := filepath.Join(outside, program)
		if _, err := controlReply(control, "write "+file); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); (err == nil) != (program == "pen") {
			t.Errorf("%s: after write from the network: %v", program, err)
		}
	}
}

func sceneNumbers(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 1)
	for _, c := range []*contestant{pens, ours} {
		c.command("web_stats " + filepath.Join(c.dir, "html"))
		for range 2 {
			c.visit(0, ask, true)
		}
		c.drop(0)
		eventually(t, patience, "the first connection is over", func() bool { return strings.Contains(c.command("status"), " 1 used, ") })
		c.visit(0, ask, true)
		var open []string
		for _, r := range rows(strings.Split(c.command("status"), "<table")[3], 7) {
			open = append(open, r[0])
		}
		if want := map[bool][]string{true: {"0", "1"}, false: {"1", "2"}}[c == ours]; !slices.Equal(open, want) {
			t.Errorf("ours %v: open are %v, want %v", c == ours, open, want)
		}
	}
}

func sceneDualStack(t *testing.T, poller string) {
	farm, _ := startFarm(t)
	servers := []string{farm[0].address}
	pens := startPen(t, openDir(t), fmt.Sprint(freePort(t)), []string{"-P"}, servers)
	ours := launch{poller: poller, listen: fmt.Sprint(freePort(t)), servers: servers}.start(t)
	if name, err := visit(netip.Addr{}, "[::1]:"+ours.address); err != nil {
		t.Errorf("ours over IPv6: %s, %v", name, err)
	}
	if name, err := visit(netip.Addr{}, "[::1]:"+pens.address); err == nil {
		t.Errorf("Debian's pen is on IPv6 too: %s", name)
	}
}

func sceneDefaults(t *testing.T, poller string) {
	pens, ours, _ := both(t, poller, 1)
	for _, c := range []*contestant{pens, ours} {
		file := filepath.Join(c.dir, "written")
		c.command("write " + file)
		want := map[bool]string{true: "\ntcp_nodelay\ntimeout 5\n", false: "\nno tcp_nodelay\ntimeout 3\n"}[c == ours]
		if text := c.written(file); !strings.Contains(text, want) {
			t.Errorf("ours %v: the defaults are not %q but\n%s", c == ours, want, text)
		}
	}
}
