package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pen/internal/testkit"
)

// modeVariable makes the test binary act as a balancer, well or badly, or as the demo itself.
const modeVariable = "PEN_DEMO_TEST_MODE"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(modeVariable); mode {
	case "":
		os.Setenv("GORACE", "atexit_sleep_ms=0") // a child under the race detector would sleep a second before it exits
		testkit.Main(m)
	case "demo":
		os.Setenv(modeVariable, "sticky")
		d := demo{self: "/proc/self/exe", pace: humanPace, bulk: 1 << 20}
		os.Exit(d.run(context.Background(), os.Args[1:], os.Stdout))
	default:
		os.Exit(standIn(mode, os.Args[1:]))
	}
}

// balancer is a tiny TCP balancer in plain Go with the command line of pen. Its mode says what it does wrong, one word or several with commas between.
type balancer struct {
	mode    string
	servers []string
	mu      sync.Mutex
	homes   map[string]int
	dead    map[int]bool
	next    int
	taken   int
}

func standIn(mode string, args []string) int {
	if slices.Contains(args, "--version") {
		fmt.Println("stand-in 1.0")
		return 0
	}
	if slices.Contains(args, "--no-such-flag") {
		fmt.Fprintln(os.Stderr, "pen: unknown flag: --no-such-flag")
		return 64
	}
	sig := make(chan os.Signal, 4)
	signal.Notify(sig, syscall.SIGTERM, syscall.SIGUSR1)
	if mode != "closed" {
		places := args[len(args)-1-serverCount:]
		l, err := net.Listen("tcp4", places[0])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		b := &balancer{mode: mode, servers: places[1:], homes: map[string]int{}, dead: map[int]bool{}}
		go b.serve(l)
	}
	fmt.Fprintln(os.Stderr, "stand-in ready")
	for s := range sig {
		switch {
		case s == syscall.SIGUSR1:
			fmt.Fprintln(os.Stderr, "statistics: connections=5 spliced=990 copied=10")
		case mode != "deaf":
			fmt.Fprintln(os.Stderr, "stand-in stops")
			return 0
		}
	}
	return 1
}

func (b *balancer) does(wrong string) bool { return slices.Contains(strings.Split(b.mode, ","), wrong) }

func (b *balancer) serve(l net.Listener) {
	for {
		down, err := l.Accept()
		if err != nil {
			return
		}
		go b.carry(down)
	}
}

func (b *balancer) carry(down net.Conn) {
	defer down.Close()
	ip := down.RemoteAddr().(*net.TCPAddr).IP
	first := b.place(ip)
	for i := range b.servers {
		n := (first + i) % len(b.servers)
		up, err := net.Dial("tcp4", b.servers[n])
		b.learn(ip, n, err)
		if err != nil {
			if b.does("lossy") {
				return
			}
			continue
		}
		defer up.Close()
		go io.Copy(up, down)
		switch {
		case b.does("mute"):
			io.Copy(io.Discard, up)
		case b.does("corrupt"):
			io.Copy(down, &spoiler{r: up})
		case b.does("short"):
			io.CopyN(down, up, 1<<20)
		default:
			io.Copy(down, up)
		}
		return
	}
}

// place returns the server to try first.
func (b *balancer) place(ip net.IP) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken++
	if b.does("mortal") && b.taken > 50 {
		fmt.Fprintln(os.Stderr, "stand-in gives up")
		os.Exit(3)
	}
	home, known := b.homes[ip.String()]
	if !known || b.does("roundrobin") {
		home = b.next
		b.next = (b.next + 1) % len(b.servers)
		if b.does("lopsided") {
			home = 0
		}
		b.homes[ip.String()] = home
	}
	if b.does("reshuffle") && len(b.dead) > 0 {
		return int(ip[len(ip)-1]) % len(b.servers)
	}
	return home
}

// learn takes note of how a connect went.
func (b *balancer) learn(ip net.IP, n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if was := b.dead[n]; err != nil && !was {
		b.dead[n] = true
		fmt.Fprintf(os.Stderr, "server %s down\n", b.servers[n])
	} else if err == nil && was {
		delete(b.dead, n)
		fmt.Fprintf(os.Stderr, "server %s up\n", b.servers[n])
	}
	if b.does("settler") && err == nil {
		b.homes[ip.String()] = n
	}
}

// spoiler changes one byte a million bytes into the stream.
type spoiler struct {
	r io.Reader
	n int
}

func (s *spoiler) Read(p []byte) (int, error) {
	k, err := s.r.Read(p)
	if at := 1_000_000 - s.n; at >= 0 && at < k {
		p[at] ^= 1
	}
	s.n += k
	return k, err
}

// transcript is what the demo has written so far.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func newTranscript() *transcript { return &transcript{news: make(chan struct{}, 1)} }

func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	select {
	case tr.news <- struct{}{}:
	default:
	}
	return tr.text.Write(p)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// await returns once text has been written.
func (tr *transcript) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for !strings.Contains(tr.String(), text) {
		select {
		case <-tr.news:
		case <-timeout:
			t.Fatalf("no %q in:\n%s", text, tr)
		}
	}
}
