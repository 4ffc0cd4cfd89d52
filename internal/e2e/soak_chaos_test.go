//go:build !race

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
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

// serverVariable makes this test binary one of the soak's servers, at the address in it: only a process of its own can be killed or stopped.
const serverVariable = "PEN_SOAK_SERVER"

func init() {
	if address := os.Getenv(serverVariable); address != "" {
		fmt.Println(soakServer(address))
		os.Exit(1)
	}
}

// corrupt is what a peer says when a byte is not what was sent.
const corrupt = "CORRUPT"

var errCorrupt = errors.New(corrupt)

// exact reads n bytes and holds each against the stream, so that a transfer that breaks off is exact as far as it came.
func exact(r io.Reader, seed uint64, n int64) error {
	got, want, all := make([]byte, 32<<10), make([]byte, 32<<10), stream(seed, n)
	for n > 0 {
		k, err := r.Read(got[:min(n, int64(len(got)))])
		if _, e := io.ReadFull(all, want[:k]); e != nil || !bytes.Equal(got[:k], want[:k]) {
			return errCorrupt
		}
		if n -= int64(k); n > 0 && err != nil {
			return err
		}
	}
	return nil
}

// soakServer carries out orders, any number on a connection, and resets all its connections on USR1.
func soakServer(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	conns := map[*net.TCPConn]bool{}
	resets := make(chan os.Signal, 1)
	signal.Notify(resets, syscall.SIGUSR1)
	go func() {
		for range resets {
			mu.Lock()
			for c := range conns {
				reset(c)
			}
			mu.Unlock()
		}
	}()
	for {
		raw, err := ln.Accept()
		if err != nil {
			return err
		}
		c := raw.(*net.TCPConn)
		mu.Lock()
		conns[c] = true
		mu.Unlock()
		go func() {
			for {
				o, err := receiveOrder(c)
				if err == nil {
					if err = exact(c, o.Seed, o.Up); errors.Is(err, errCorrupt) {
						fmt.Println(corrupt)
					}
				}
				if err != nil || o.sendDown(c) != nil {
					break
				}
			}
			mu.Lock()
			delete(conns, c)
			mu.Unlock()
			c.Close()
		}()
	}
}

// soak is a pen in trouble, its servers and its clients.
type soak struct {
	t       *testing.T
	pen     *steered
	file    string // of commands
	servers []*soaked
	dark    string // an address where nobody answers

	trouble  atomic.Int64 // odd while there is trouble; written by the test's goroutine
	sessions atomic.Int64
	excused  atomic.Int64 // sessions that ended badly, in trouble
	up, down atomic.Int64 // bytes of whole orders
}

// soaked is one server and its process.
type soaked struct {
	address string
	cmd     *exec.Cmd
	out     logBuffer
}

func (s *soak) begin(v *soaked) {
	path, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	v.cmd = exec.Command(path)
	v.cmd.Env = append(os.Environ(), serverVariable+"="+v.address)
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := v.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, startLimit, "a server listens", func() bool { return process(v.cmd.Process.Pid).listens(v.address) })
}

func (v *soaked) end() {
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait()
}

// session is one connection's life: n orders, each checked to the byte in both directions.
func (s *soak) session(i, n int, most int64, r *rand.Rand) error {
	c, err := connect(loopback(i), s.pen.address)
	if err != nil {
		return err
	}
	defer c.Close()
	for range n {
		o := order{Seed: r.Uint64(), Up: r.Int64N(most), Down: r.Int64N(most)}
		sent := make(chan error, 1)
		if err := o.send(c); err != nil {
			return err
		}
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

// client is one that comes again and again. Whatever goes wrong must have had trouble beside it.
func (s *soak) client(i int, over chan struct{}) {
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
		err := s.session(i, n, most, r)
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

// troubles are what can happen; each is over when its function returns.
var troubles = []struct {
	name string
	do   func(s *soak, v *soaked)
}{
	{"a server killed", func(s *soak, v *soaked) { v.end(); time.Sleep(spell); s.begin(v) }},
	{"a server stopped", func(s *soak, v *soaked) {
		_ = v.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(spell)
		_ = v.cmd.Process.Signal(syscall.SIGCONT)
	}},
	{"all connections of a server reset", func(s *soak, v *soaked) { _ = v.cmd.Process.Signal(syscall.SIGUSR1); time.Sleep(spell) }},
	{"a server that does not answer", func(s *soak, _ *soaked) { s.config(true); time.Sleep(4 * spell); s.config(false) }},
	{"a server removed and put back", func(s *soak, _ *soaked) { s.config(false); s.config(false) }},
	{"no descriptors", func(s *soak, _ *soaked) { s.nofile(len(s.pen.links()) + 2); time.Sleep(spell); s.nofile(20000) }},
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

// In chaos no byte is wrong, whatever fails has a cause, and in the end pen holds what it held. PEN_SOAK says for how long; see scripts/soak and docs/reliability.md.
func TestSoakInChaos(t *testing.T) {
	length := 6 * time.Second
	if text := os.Getenv("PEN_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := &soak{t: t, file: filepath.Join(openDir(t), "pen.cfg"), dark: darkAddress(t)}
	var addresses []string
	for range 3 {
		v := &soaked{address: fmt.Sprint("127.0.0.1:", freePort(t))}
		s.begin(v)
		t.Cleanup(v.end)
		s.servers = append(s.servers, v)
		addresses = append(addresses, v.address)
	}
	if err := os.WriteFile(s.file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// As the user of the tests, who may then change its limits.
	s.pen = &steered{balancer: launch{poller: "raw", flags: []string{"-F", s.file, "-r", "-t", "1", "-b", "1", "--pipes", "32"}, servers: addresses}.start(t)}
	s.pen.logs("listening")
	s.config(false)
	const clients = 24
	soakFor := func(length time.Duration, trouble bool) (happened map[string]int) {
		over, happened := make(chan struct{}), map[string]int{}
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() { s.client(i, over) })
		}
		r := rand.New(rand.NewPCG(2, 2))
		for until, n := time.Now().Add(length), 0; time.Now().Before(until) && !t.Failed(); n++ {
			if trouble {
				v := troubles[n%len(troubles)]
				happened[v.name]++
				s.trouble.Add(1)
				v.do(s, s.servers[r.IntN(len(s.servers))])
				s.trouble.Add(1)
			}
			time.Sleep(spell) // calm, in which nothing may go wrong
		}
		close(over)
		all.Wait()
		eventually(t, leakLimit, "pen holds no connection", func() bool { return s.pen.sockets() <= s.pen.idle })
		return happened
	}
	soakFor(min(length/3, 10*time.Second), false)
	before := s.pen.footprint()
	happened := soakFor(length, true)
	soakFor(time.Second, false)
	after := s.pen.footprint()
	if after.sockets > before.sockets || after.others != before.others || after.pipes > 2*32 || after.threads > before.threads+4 || after.rss > before.rss*12/10+4096 {
		t.Errorf("before: %v; after: %v", before, after)
	}
	for _, v := range s.servers {
		if strings.Contains(v.out.String(), corrupt) {
			t.Errorf("server %s got bytes that nobody sent: %s", v.address, v.out.tail())
		}
	}
	figures := s.pen.figures()
	sum, causes := endings(figures)
	if sum != figures["accepted"] {
		t.Errorf("%d connections were accepted and %d ended with a cause: %v", figures["accepted"], sum, causes)
	}
	if up, down := int(s.up.Load()), int(s.down.Load()); figures["bytes_up"] < up || figures["bytes_down"] < down {
		t.Errorf("pen counts %d bytes up and %d down; whole orders alone were %d and %d", figures["bytes_up"], figures["bytes_down"], up, down)
	}
	shown(t, "%v of chaos: %d sessions, %d of them cut short by a trouble beside them, %d MiB up and %d MiB down compared to the byte; %v", length, s.sessions.Load(), s.excused.Load(), s.up.Load()>>20, s.down.Load()>>20, happened)
	shown(t, "connects: %d refused, %d timed out; accepting paused %d times", figures["connects_refused"], figures["connects_timed_out"], figures["accept_pauses"])
	shown(t, "how connections ended: %v; before: %v; after: %v", causes, before, after)
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
