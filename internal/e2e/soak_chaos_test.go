//go:build !race

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// soak is a pen in trouble, its servers and its clients.
type soak struct {
	t       *testing.T
	pen     *steered
	web     string
	file    string // of commands
	log     string // of endings
	servers []*soaked
	dark    string // an address where nobody answers
	island  *island

	// owned by the test's goroutine
	spells      []spellRecord
	readSoFar   int64 // bytes of the log
	unexplained int
	began       time.Time
	minutes     int // shown

	trouble   atomic.Int64 // odd while there is trouble; written by the test's goroutine
	sessions  atomic.Int64
	excused   atomic.Int64 // sessions that ended badly, in trouble
	up, down  atomic.Int64 // bytes of whole orders
	sent, got atomic.Int64 // bytes that the clients' kernels took and gave
	resets    sync.Map     // addresses from which a client has reset
}

// session is one connection's life: n orders, each checked to the byte in both directions. A rude client resets in the middle of the last.
func (s *soak) session(i, n int, most int64, rude bool, r *rand.Rand) error {
	raw, err := connect(loopback(i), s.pen.address)
	if err != nil {
		return err
	}
	defer raw.Close()
	c := metered{raw, &s.sent, &s.got}
	for left := n; left > 0; left-- {
		o := order{Seed: r.Uint64(), Up: r.Int64N(most), Down: r.Int64N(most)}
		if err := o.send(c); err != nil {
			return err
		}
		if rude && left == 1 {
			if err := send(c, o.Seed, o.Up/2); err != nil {
				return err
			}
			s.resets.Store(c.LocalAddr().String(), true)
			reset(raw)
			return nil
		}
		sent := make(chan error, 1)
		go func() { sent <- o.sendUp(c) }()
		got := exact(c, ^o.Seed, o.Down)
		if got != nil {
			c.Close() // the sender may be stuck
		}
		if err := errors.Join(got, <-sent); err != nil {
			return err
		}
		s.up.Add(o.Up)
		s.down.Add(o.Down)
	}
	return nil
}

// soakClients is how many clients there are.
const soakClients = 24

// client is one that comes again and again. Whatever goes wrong must have had trouble beside it. Where it may be rude, one session in 64 is.
func (s *soak) client(i int, rude bool, over chan struct{}) {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	for {
		select {
		case <-over:
			return
		default:
		}
		n, most := 1, int64(4<<10) // short
		switch i % 3 {
		case 1:
			n, most = 20, 2<<10 // kept alive
		case 2:
			most = 4 << 20
		}
		before := s.trouble.Load()
		err := s.session(i, n, most, rude && r.IntN(64) == 0, r)
		s.sessions.Add(1)
		switch {
		case errors.Is(err, errCorrupt):
			s.t.Errorf("client %d: %v", i, err)
		case err != nil && before%2 == 0 && s.trouble.Load() == before:
			s.t.Errorf("client %d, with no trouble anywhere: %v", i, err)
		case err != nil:
			s.excused.Add(1)
			time.Sleep(pause) // not to come a thousand times while nobody is there
		}
	}
}

// config writes the file of commands, with the dark server or without, and has pen read it.
func (s *soak) config(dark bool) {
	var text strings.Builder
	text.WriteString("blacklist 1\n")
	addresses := []string{s.dark}
	for _, v := range s.servers {
		addresses = append(addresses, v.address)
	}
	for i, address := range addresses {
		host, port, _ := net.SplitHostPort(address)
		if i == 0 && !dark {
			fmt.Fprintf(&text, "no server 0\n")
		} else {
			fmt.Fprintf(&text, "server %d address %s port %s\n", i, host, port)
		}
	}
	if err := os.WriteFile(s.file, []byte(text.String()), 0o644); err != nil {
		s.t.Fatal(err)
	}
	said := strings.Count(s.pen.log.String(), "reloaded")
	s.pen.signal(syscall.SIGHUP)
	eventually(s.t, patience, "pen has read the file", func() bool { return strings.Count(s.pen.log.String(), "reloaded") > said })
}

// nofile sets how many descriptors pen may have.
func (s *soak) nofile(n int) {
	if code, output := run(s.t, "prlimit", "--pid", strconv.Itoa(int(s.pen.process)), fmt.Sprintf("--nofile=%d:", n)); code != 0 {
		s.t.Fatalf("prlimit: %s", output)
	}
}

// spell is how long one trouble lasts.
const spell = 300 * time.Millisecond

// trouble is something that can happen. It is over when do returns.
type trouble struct {
	name   string
	causes string // with which connections may end in it, beside those with which they end anyway
	own    bool   // only those to the server it befalls
	do     func(s *soak, v *soaked)
}

// troubles are all there are, each in its turn.
var troubles = []trouble{
	{"a server killed", "server_reset server_fin connect_refused", true, func(s *soak, v *soaked) { v.end(); time.Sleep(spell); v.begin(s.t) }},
	{"a server stopped", "", true, func(s *soak, v *soaked) { v.signal(syscall.SIGSTOP); time.Sleep(spell); v.signal(syscall.SIGCONT) }},
	{"all connections of a server reset", "server_reset", true, func(s *soak, v *soaked) { v.does(s.t, syscall.SIGUSR1, hasReset) }},
	{"a server that does not answer", "", false, func(s *soak, _ *soaked) { s.config(true); time.Sleep(4 * spell); s.config(false) }},
	{"a server removed and put back", "", false, func(s *soak, _ *soaked) { s.config(false); s.config(false) }},
	{"no descriptors", "local", false, func(s *soak, _ *soaked) { s.nofile(len(s.pen.links()) + 2); time.Sleep(spell); s.nofile(20000) }},
	{"a server's host cut off", "", false, func(s *soak, _ *soaked) { s.island.link("down"); time.Sleep(2 * spell); s.island.link("up") }},
	{"settings changed at the control port", "", false, func(s *soak, _ *soaked) {
		for _, command := range []string{"server 2 drain", "server 3 weight 7", "no roundrobin", "weight", "acl 9 deny 203.0.113.0/24", "client_acl 9", "idle_timeout 60", "keepalive 30",
			"keepalive 60", "idle_timeout 0", "client_acl 0", "no acl 9", "no weight", "roundrobin", "server 3 weight 0", "server 2 undrain"} {
			s.pen.do(command)
		}
	}},
}

// darkAddress is one whose queue is full, so that a connect to it is never answered.
func darkAddress(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	at := syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: freePort(t)}
	if err := errors.Join(syscall.Bind(fd, &at), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprint("127.0.0.1:", at.Port)
	for {
		c, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
}

// start starts the servers, three beside pen and one on a host of its own, and pen.
func (s *soak) start() {
	s.dark, s.island = darkAddress(s.t), makeIsland(s.t)
	dir := openDir(s.t)
	s.file, s.log = filepath.Join(dir, "pen.cfg"), filepath.Join(dir, "log")
	for range 3 {
		s.servers = append(s.servers, &soaked{address: fmt.Sprint("127.0.0.1:", freePort(s.t))})
	}
	s.servers = append(s.servers, &soaked{address: fmt.Sprint(s.island.address, ":", freePort(s.t)), under: in(s.island.name)})
	var addresses []string
	for _, v := range s.servers {
		v.begin(s.t)
		s.t.Cleanup(v.end)
		addresses = append(addresses, v.address)
	}
	if err := os.WriteFile(s.file, nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.web = fmt.Sprint("127.0.0.1:", freePort(s.t))
	control := filepath.Join(dir, "control")
	// As the user of the tests, who may then change its limits.
	b := launch{poller: "raw", servers: addresses, flags: []string{"-F", s.file, "-r", "-t", "1", "-b", "1", "--pipes", "32", "-C", control, "--control-files", dir, "--web", s.web, "-l", s.log, "--log-format", "json"}}.start(s.t)
	s.pen = &steered{balancer: b, control: control, dir: dir}
	s.pen.logs("listening")
	s.config(false)
}

// run has all clients come for a time. What happened is counted.
func (s *soak) run(length time.Duration, inTrouble bool) (happened map[string]int) {
	over, happened := make(chan struct{}), map[string]int{}
	var all sync.WaitGroup
	for i := range soakClients {
		all.Go(func() { s.client(i, inTrouble, over) })
	}
	r := rand.New(rand.NewPCG(2, 2))
	for until, n := time.Now().Add(length), 0; time.Now().Before(until) && !s.t.Failed(); n++ {
		if inTrouble {
			v, befallen := &troubles[n%len(troubles)], s.servers[r.IntN(len(s.servers))]
			happened[v.name]++
			from := time.Now()
			s.trouble.Add(1)
			v.do(s, befallen)
			s.trouble.Add(1)
			s.spells = append(s.spells, spellRecord{v, befallen.address, from, time.Now()})
			s.show()
		}
		time.Sleep(spell) // calm, in which nothing may go wrong
	}
	close(over)
	all.Wait()
	eventually(s.t, leakLimit, "pen holds no connection", func() bool { return s.pen.sockets() <= s.pen.idle })
	return happened
}

// show prints the figures of each minute.
func (s *soak) show() {
	if now := int(time.Since(s.began) / time.Minute); now > s.minutes {
		s.minutes = now
		s.t.Logf("minute %d: %d sessions, %d cut short; %d MiB up and %d MiB down; %d troubles; %v; %v", now, s.sessions.Load(), s.excused.Load(), s.up.Load()>>20, s.down.Load()>>20,
			len(s.spells), s.pen.footprint(), s.inside())
	}
}

var runtimeLine = regexp.MustCompile(`(?m)^go_(goroutines|memstats_next_gc_bytes) (\S+)$`)

// inside is what only pen itself can say of what it holds.
type inside struct {
	goroutines int // that of the asking among them
	heap       int // KiB at which the next collection is due: twice what the last one found in use
}

func (s *soak) inside() (found inside) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	reply, err := client.Get("http://" + s.web + "/metrics")
	if err != nil {
		s.t.Error(err)
		return found
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	figures := map[string]float64{}
	for _, m := range runtimeLine.FindAllStringSubmatch(string(text), -1) {
		figures[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	if err != nil || len(figures) != 2 {
		s.t.Errorf("the metrics have of the runtime only %v: %v", figures, err)
	}
	return inside{int(figures["goroutines"]), int(figures["memstats_next_gc_bytes"]) >> 10}
}

func (in inside) String() string {
	return fmt.Sprintf("%d goroutines, next collection at %.1f MiB of heap", in.goroutines, float64(in.heap)/1024)
}

// calm has the clients come with no trouble anywhere, and says whether the clients, pen and the servers all count the same bytes.
func (s *soak) calm(length time.Duration) {
	s.t.Helper()
	type counts struct{ up, down int64 }
	look := func() (clients, pen, servers counts) {
		clients = counts{s.sent.Load(), s.got.Load()}
		figures := s.pen.figures()
		pen = counts{int64(figures["bytes_up"]), int64(figures["bytes_down"])}
		for _, v := range s.servers {
			got, sent := v.moved(s.t)
			servers.up, servers.down = servers.up+got, servers.down+sent
		}
		return clients, pen, servers
	}
	since := func(a, b counts) counts { return counts{b.up - a.up, b.down - a.down} }
	c0, p0, v0 := look()
	s.run(length, false)
	c1, p1, v1 := look()
	clients, pen, servers := since(c0, c1), since(p0, p1), since(v0, v1)
	if clients != pen || pen != servers {
		s.t.Errorf("with no trouble anywhere the clients count %+v bytes, pen %+v, the servers %+v", clients, pen, servers)
	}
}

// In chaos no byte is wrong, whatever fails has a cause, and in the end pen holds what it held. PEN_SOAK says for how long; see scripts/soak and docs/reliability.md.
func TestSoakInChaos(t *testing.T) {
	length := 5 * time.Second
	if text := os.Getenv("PEN_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := &soak{t: t, began: time.Now()}
	s.start()
	s.run(9*time.Second, true) // each trouble once: what is allocated for them once is allocated
	s.calm(min(length/3, 10*time.Second))
	before, in, settings := s.pen.footprint(), s.inside(), s.settings()
	happened := s.run(length, true)
	s.calm(time.Second)
	after := s.pen.footprint()
	eventually(t, leakLimit, "pen has no more goroutines than before", func() bool { return s.inside().goroutines <= in.goroutines })
	out := s.inside()
	// The collector lets the heap stand between what is in use and twice that, and so RSS.
	if after.sockets > before.sockets || after.others != before.others || after.pipes > 2*32 || after.threads > before.threads+4 || after.rss > before.rss+in.heap+4096 || out.heap > in.heap*3/2+2048 {
		t.Errorf("before: %v, %v; after: %v, %v", before, in, after, out)
	}
	if now := s.settings(); now != settings {
		t.Errorf("settings before:\n%s\nand after:\n%s", settings, now)
	}
	for line := range strings.Lines(s.pen.quick("servers")) {
		if strings.Contains(line, " conn ") && !strings.Contains(line, " conn 0 ") {
			t.Errorf("nobody is there, and a server has a connection: %s", line)
		}
	}
	for _, v := range s.servers {
		if strings.Contains(v.out.String(), corrupt) {
			t.Errorf("server %s got bytes that nobody sent: %s", v.address, v.out.tail())
		}
	}
	figures := s.pen.figures()
	ended, causes := causesOf(figures)
	if ended != figures["accepted"] {
		t.Errorf("%d connections were accepted and %d ended with a cause: %v", figures["accepted"], ended, causes)
	}
	all := &tally{clients: map[string]int{}, causes: map[string]int{}}
	eventually(t, patience, "every ending is in the log", func() bool { s.readLog(all); return all.lines >= ended })
	if all.lines != ended {
		t.Errorf("%d connections have ended, in the log there are %d: %v", ended, all.lines, all.causes)
	}
	if s.unexplained > 0 {
		t.Errorf("%d endings have no trouble that explains them", s.unexplained)
	}
	// Whoever counts bytes counts the same: the totals, the log and the client table; and no more than was sent, no less than arrived.
	up, down := int64(figures["bytes_up"]), int64(figures["bytes_down"])
	connects, tableUp, tableDown := s.remembered()
	if up != all.up || down != all.down || up != tableUp || down != tableDown {
		t.Errorf("bytes up and down: %d and %d in the totals, %d and %d in the log, %d and %d in the client table", up, down, all.up, all.down, tableUp, tableDown)
	}
	if up > s.sent.Load() || up < s.up.Load() || down < s.got.Load() {
		t.Errorf("pen counts %d bytes up and %d down; clients have sent %d, %d of them in whole orders, and got %d", up, down, s.sent.Load(), s.up.Load(), s.got.Load())
	}
	if !maps.Equal(connects, all.clients) || len(connects) != soakClients {
		t.Errorf("of connections the client table has %v, the log %v", connects, all.clients)
	}
	rude := 0
	s.resets.Range(func(any, any) bool { rude++; return true })
	shown(t, "%v of chaos: %d sessions, %d of them cut short by a trouble beside them and %d by the client; %d MiB up and %d MiB down compared to the byte; %v", length, s.sessions.Load(), s.excused.Load(), rude, s.up.Load()>>20, s.down.Load()>>20, happened)
	shown(t, "connects: %d refused, %d timed out; accepting paused %d times", figures["connects_refused"], figures["connects_timed_out"], figures["accept_pauses"])
	shown(t, "how connections ended, each of them explained: %v; before: %v, %v; after: %v, %v", causes, before, in, after, out)
}

// settings is what pen writes down as its settings, but for the first line, which has the time in it.
func (s *soak) settings() string {
	s.t.Helper()
	path := filepath.Join(s.pen.dir, "written")
	s.pen.do("write " + path)
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	_, settings, _ := strings.Cut(string(text), "\n")
	return settings
}

var figure = regexp.MustCompile(`([a-z_]+)=(\d+)`)

// figures are pen's totals, from the log after USR1.
func (b *balancer) figures() map[string]int {
	said := len(b.log.String())
	b.signal(syscall.SIGUSR1)
	found := map[string]int{}
	eventually(b.t, patience, "pen logs its totals", func() bool {
		for lines := bufio.NewScanner(strings.NewReader(b.log.String()[said:])); lines.Scan(); {
			if strings.Contains(lines.Text(), ": totals ") && strings.Contains(lines.Text(), "ended_server_lost=") {
				for _, m := range figure.FindAllStringSubmatch(lines.Text(), -1) {
					found[m[1]], _ = strconv.Atoi(m[2])
				}
			}
		}
		return len(found) > 0
	})
	return found
}
