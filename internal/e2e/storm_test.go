//go:build !race

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// storm is one kind of attack and what it may do to pen.
type storm struct {
	kind    string
	n       int    // as in attacker
	rate    int    // as in attacker
	sockets int    // that pen holds for each of n, once all are in place
	each    int    // bytes of pen's memory that each of n may take
	lasting bool   // n connections that stay; otherwise n addresses, whose connections do not
	may     string // causes with which connections may end
}

// stormConns is how many connections a process of 20 000 descriptors can carry beside a few pipes.
const stormConns, stormPipes = 9900, 16

// The memory that a storm may take, in bytes. An idle connection is held to idleConn by TestIdleConnectionsAreCheap; one that stalls with bytes in hand has a buffer of them beside, and the collector
// lets as much garbage stand as there is in use.
const (
	idleConn    = 512
	stalledConn = 2 * (idleConn + 32<<10)
	breath      = 12 << 20 // whatever comes
)

// favoured gives pen the CPU before all others: clients, servers and attackers, who in earnest have machines of their own, would else be given most of it for being many. That is so in all rounds.
var favoured = []string{"nice", "-n", "-20"}

// A storm is no matter to well-behaved clients: none sees an error, they are served as often as beside the same storm laid to another pen, and pen's memory stays inside the bound.
//
// As in TestControlPortUnderSiege rounds of three kinds take turns: no storm, one laid to another pen with the same servers, and one laid to the pen that serves. The storm takes as much from the machine
// in the second as in the third, since its rate is fixed. Eight clients ask as fast as they are answered: four with a connection for each question, four with one for all.
func TestStormOfLorises(t *testing.T) {
	storm{kind: "loris", n: sized(300, stormConns), rate: sized(50, 1000), sockets: 2, each: idleConn, lasting: true, may: "client_fin client_reset"}.weather(t)
}

func TestStormOfStalls(t *testing.T) {
	storm{kind: "stall", n: sized(100, 5000), rate: 1, sockets: 2, each: stalledConn, lasting: true, may: "client_fin client_reset server_reset"}.weather(t)
}

func TestStormOfAddresses(t *testing.T) {
	storm{kind: "flood", n: sized(1000, 50_000), rate: sized(1000, 2500), may: "client_fin"}.weather(t)
}

func TestStormOfConnects(t *testing.T) {
	storm{kind: "hurry", n: sized(1000, 50_000), rate: sized(1000, 2500), may: "client_fin client_reset"}.weather(t)
}

func (s storm) weather(t *testing.T) {
	rounds, length := sized(3, 50), time.Duration(sized(200, 500))*time.Millisecond
	if full && s.lasting { // to lay one takes longer than to watch it
		rounds, length = 12, 2*time.Second
	}
	eachPoller(t, func(t *testing.T, poller string) {
		var servers []*stormPeer
		var addresses []string
		for range 3 {
			address := fmt.Sprint("127.0.0.1:", freePort(t))
			server := startStormPeer(t, "server", address)
			t.Cleanup(server.end)
			eventually(t, startLimit, "a server listens", func() bool { return process(server.cmd.Process.Pid).listens(address) })
			servers, addresses = append(servers, server), append(addresses, address)
		}
		l := launch{poller: poller, under: favoured, flags: []string{"-x", fmt.Sprint(stormConns + 50), "--pipes", fmt.Sprint(stormPipes), "-q", "4096"}, servers: addresses}
		b, other := l.start(t), l.start(t)
		c := startCourteous(t, b.address)
		defer c.end()
		eventually(t, patience, "all is warm", func() bool { return c.visits.Load() > 1000 && c.questions.Load() > 1000 || t.Failed() })
		before, peak := b.rss(), 0

		first, made, failed := map[*balancer]int{}, map[*balancer]int{}, map[*balancer]int{}
		round := func(at *balancer) (visits, questions float64) {
			c.worst.Store(0)
			var laid *stormPeer
			if at != nil {
				laid = attack(t, s.kind, at.address, s.n, s.rate, first[at])
				if s.lasting {
					eventually(t, patience, "pen holds all of the storm", func() bool { return at.sockets() >= at.idle+s.n*s.sockets || t.Failed() })
				}
			}
			began, v, q := time.Now(), c.visits.Load(), c.questions.Load()
			<-time.After(length)
			took := time.Since(began).Seconds()
			visits, questions = float64(c.visits.Load()-v)/took, float64(c.questions.Load()-q)/took
			if at != nil {
				peak = max(peak, b.rss())
				m, f := laid.lift(t)
				first[at], made[at], failed[at] = first[at]+m, made[at]+m, failed[at]+f
				if f > 0 {
					t.Errorf("%d of the storm's %d connections went wrong: %s", f, m, laid.log.tail())
				}
				for _, server := range servers {
					_ = server.cmd.Process.Signal(syscall.SIGUSR1)
				}
				eventually(t, leakLimit, "the storm's connections are gone", func() bool { return at.sockets() <= at.idle+2*2*courteousClients || t.Failed() })
			}
			return visits, questions
		}
		under := []*balancer{nil, other, b}
		var visits, questions [3][]float64 // by the place in under
		var slowest [3]time.Duration
		for n := range rounds {
			for i := range under {
				kind := (i + n) % len(under)
				v, q := round(under[kind])
				visits[kind], questions[kind] = append(visits[kind], v), append(questions[kind], q)
				slowest[kind] = max(slowest[kind], time.Duration(c.worst.Load()))
			}
		}
		c.end()
		for _, f := range []struct {
			what  string
			rates [3][]float64
		}{{"visits", visits}, {"questions on standing connections", questions}} {
			kept := ratios(f.rates[2], f.rates[1])
			low, high := medianBetween(kept)
			shown(t, "%s, %s: %s/s: %.0f without the storm, %.0f beside one laid to another pen, %.0f under it: kept %.3f (95 %% sure: %.3f to %.3f), of those without %.3f", poller, s.kind, f.what,
				median(f.rates[0]), median(f.rates[1]), median(f.rates[2]), median(kept), low, high, median(ratios(f.rates[2], f.rates[0])))
			if least := map[bool]float64{true: 0.9, false: 0.25}[full]; median(kept) < least {
				t.Errorf("under the storm %.3f of the %s are answered, want at least %.2f", median(kept), f.what, least)
			}
		}
		bound := before + breath>>10
		if s.lasting {
			bound += s.n * s.each >> 10
		}
		if peak > bound {
			t.Errorf("RSS has been at %d KiB under the storm, was at %d before, may be at %d", peak, before, bound)
		}
		eventually(t, leakLimit, "nobody is there", func() bool { return b.sockets() <= b.idle })
		figures := b.figures()
		ended, causes := causesOf(figures)
		if ended != figures["accepted"] {
			t.Errorf("%d connections were accepted and %d ended with a cause: %v", figures["accepted"], ended, causes)
		}
		for _, cause := range causes {
			if name, _, _ := strings.Cut(cause, " "); !slices.Contains(strings.Fields(s.may), name) {
				t.Errorf("connections ended with %s; in this storm may be: %s", cause, s.may)
			}
		}
		storming := fmt.Sprintf("%d connections from %d addresses (%d beside)", made[b], min(made[b], s.n), made[other])
		if s.lasting {
			storming = fmt.Sprintf("%d connections at a time", s.n)
		}
		shown(t, "%s, %s: %d rounds of %v, %s, none failed; no error of a well-behaved client, the slowest answer after %v (%v beside, %v without); RSS %.1f MiB before, %.1f at most (bound %.1f); ended: %v",
			poller, s.kind, rounds, length, storming, slowest[2].Round(time.Millisecond), slowest[1].Round(time.Millisecond), slowest[0].Round(time.Millisecond),
			float64(before)/1024, float64(peak)/1024, float64(bound)/1024, causes)
	})
}

// causesOf sums up the causes among pen's totals, and lists them with their numbers.
func causesOf(figures map[string]int) (sum int, causes []string) {
	for name, n := range figures {
		if cause, ok := strings.CutPrefix(name, "ended_"); ok && n > 0 {
			sum += n
			causes = append(causes, fmt.Sprint(cause, " ", n))
		}
	}
	slices.Sort(causes)
	return sum, causes
}

// courteousClients is how many well-behaved clients of each kind there are.
const courteousClients = 4

// courteous are well-behaved clients that ask as fast as they are answered. An answer that does not come fails the test.
type courteous struct {
	visits    atomic.Int64 // questions with a connection of their own, answered
	questions atomic.Int64 // questions on standing connections, answered
	worst     atomic.Int64 // ns; set to 0 by whoever wants to know
	over      chan struct{}
	done      sync.WaitGroup
}

func startCourteous(t *testing.T, to string) *courteous {
	c := &courteous{over: make(chan struct{})}
	lay := func(i int, count *atomic.Int64, ask func() error) {
		for {
			began := time.Now()
			if err := ask(); err != nil {
				t.Errorf("well-behaved client %d: %v", i, err)
				return
			}
			count.Add(1)
			if took := int64(time.Since(began)); took > c.worst.Load() {
				c.worst.Store(took) // of two at once one may be lost, which is no matter
			}
			select {
			case <-c.over:
				return
			default:
			}
		}
	}
	for i := range courteousClients {
		c.done.Go(func() { lay(i, &c.visits, func() error { return greet(loopback(1+i), to) }) })
		c.done.Go(func() {
			standing, err := connect(loopback(101+i), to)
			if err != nil {
				t.Error(err)
				return
			}
			defer standing.Close()
			lines := bufio.NewReader(standing)
			lay(100+i, &c.questions, func() error { return question(standing, lines) })
		})
	}
	return c
}

// end stops them. It may be called again.
func (c *courteous) end() {
	select {
	case <-c.over:
	default:
		close(c.over)
	}
	c.done.Wait()
}

// question asks once, and wants the answer.
func question(c conn, lines *bufio.Reader) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, greeting); err != nil {
		return err
	}
	if answer, err := lines.ReadString('\n'); answer != greeting {
		return fmt.Errorf("the answer is %q, %w", answer, err)
	}
	return nil
}

// greet is a whole visit: connect, ask, have the answer, close.
func greet(from netip.Addr, to string) error {
	c, err := connect(from, to)
	if err != nil {
		return err
	}
	defer c.Close()
	return question(c, bufio.NewReaderSize(c, 16))
}
