package loop

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/account"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/internal/testkit"
	"pen/splice"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// eachPoller runs a test on every poller.
func eachPoller(t *testing.T, test func(t *testing.T, poller string)) {
	for _, p := range Pollers {
		t.Run(p, func(t *testing.T) { test(t, p) })
	}
}

// eachWay runs a test on every poller and with every way to move bytes.
func eachWay(t *testing.T, test func(t *testing.T, poller string, mode splice.Mode)) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, m := range []splice.Mode{splice.Auto, splice.Always, splice.Never} {
			t.Run(m.String(), func(t *testing.T) { test(t, poller, m) })
		}
	})
}

// rig is a group of loops over servers, taken down by the test's end, when it must have come back to nothing.
type rig struct {
	*Group
	t        *testing.T
	slots    *backend.Slots
	table    *affinity.Table
	balancer *balance.Balancer
	plan     *balance.Plan
}

// prepare makes what the tests start with, before they change it.
func prepare(t *testing.T, poller string, servers []string) (cfg Config, plan *balance.Plan, slots *backend.Slots, table *affinity.Table) {
	t.Helper()
	slots = backend.NewSlots()
	table, err := affinity.New(1024, 0)
	if err != nil {
		t.Fatal(err)
	}
	plan = &balance.Plan{ConnectTimeout: 5 * time.Second, BlacklistTime: time.Minute, Prefix: affinity.Prefix{V4: 32, V6: 128}}
	for _, s := range servers {
		id, err := slots.Claim(s)
		if err != nil {
			t.Fatal(err)
		}
		plan.Servers = append(plan.Servers, balance.Server{ID: id, Name: s, Addr: address(s)})
	}
	cfg = Config{
		Endpoint: Endpoint{IP: netip.MustParseAddrPort("127.0.0.1:0")}, Backlog: 500, AcceptBatch: 100, MaxConns: 1000, Loops: 2, Poller: poller,
		Tuning: sys.Tuning{NoDelay: true}, Shortcuts: true, SendBatch: true, ReuseSockets: true, TarpitTime: time.Minute, PipeSize: 256 << 10, Pipes: 16, Log: slog.New(slog.DiscardHandler),
	}
	return cfg, plan, slots, table
}

// newRig starts a balancer on a free port of 127.0.0.1 over servers given by address; tweak, if any, may change what is started.
func newRig(t *testing.T, poller string, servers []string, tweak func(*Config, *balance.Plan)) *rig {
	t.Helper()
	cfg, plan, slots, table := prepare(t, poller, servers)
	if tweak != nil {
		tweak(&cfg, plan)
	}
	r := &rig{t: t, slots: slots, table: table, plan: plan, balancer: balance.New(slots, table, plan)}
	var err error
	if r.Group, err = Open(cfg, r.balancer); err != nil {
		t.Fatal(err)
	}
	r.Start()
	t.Cleanup(func() {
		r.Stop()
		r.Wait()
		r.atRest()
		table.Close()
	})
	return r
}

// atRest checks that nothing is left of any connection.
func (r *rig) atRest() {
	r.t.Helper()
	if n := r.Live(); n != 0 {
		r.t.Errorf("%d connections are counted when none is left", n)
	}
	if n := r.Totals().Live; n != 0 {
		r.t.Errorf("the ledgers count %d connections when none is left", n)
	}
	noneLive(r.t, r.table)
	if n := r.gate.held.Load(); n != 0 {
		r.t.Errorf("%d connections are left in the tarpit when none is left", n)
	}
	for _, s := range r.plan.Servers {
		if n := r.slots.Get(s.ID).Live(); n != 0 {
			r.t.Errorf("server %s has %d connections when none is left", s.Name, n)
		}
	}
}

// noneLive checks that every client's connections were counted out.
func noneLive(t *testing.T, table *affinity.Table) {
	t.Helper()
	for e := range table.Each {
		if e.Live != 0 {
			t.Errorf("client %v has %d connections when none is left", e.Key.Addr(), e.Live)
		}
	}
}

func address(s string) balance.Address {
	if filepath.IsAbs(s) {
		return balance.Address{Path: s}
	}
	return balance.Address{IP: netip.MustParseAddrPort(s)}
}

// dial connects to the balancer.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	network, addr := "tcp", r.Addr().String()
	if r.path != "" {
		network, addr = "unix", r.path
	}
	c, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// change publishes another plan and has the loops look at it.
func (r *rig) change(edit func(*balance.Plan)) {
	p := *r.balancer.Plan()
	edit(&p)
	r.balancer.Publish(&p)
	r.Refresh()
}

// count waits until a total is as wanted.
func (r *rig) count(what account.Count, want uint64) {
	r.t.Helper()
	until(r.t, func() bool { return r.Totals().Counts[what] == want }, func() any { return r.Totals().Counts[what] }, what.String(), want)
}

// ended waits until so many connections ended for a cause.
func (r *rig) ended(why account.Cause, want uint64) {
	r.t.Helper()
	until(r.t, func() bool { return r.Totals().Ended[why] == want }, func() any { return r.Totals().Attrs() }, why.String(), want)
}

// until waits for a condition.
func until(t *testing.T, ok func() bool, got func() any, what string, want any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %v, expected %v", what, got(), want)
		}
	}
}

// serve runs a server whose every connection is handed to a function and closed after it.
func serve(t *testing.T, handle func(*net.TCPConn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, func(c net.Conn) { handle(c.(*net.TCPConn)) })
	return l.Addr().String()
}

// serveUnix is serve on a Unix socket.
func serveUnix(t *testing.T, handle func(net.Conn)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, handle)
	return path
}

func serveOn(t *testing.T, l net.Listener, handle func(net.Conn)) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
}

// echo sends back what comes, to the end. net's own splice would keep pipes until a collection, which look like a leak.
func echo(c *net.TCPConn) { io.Copy(c, struct{ io.Reader }{c}) }

// named answers each connection with a name and closes.
func named(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { io.WriteString(c, name) }
}

// refusing is an address nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// temporary returns a path for a Unix socket.
func temporary(t *testing.T) string { return filepath.Join(t.TempDir(), "pen") }

// peak is a server that notes how many clients it had at once. It answers two bytes with ok.
type peak struct{ live, most atomic.Int32 }

func (p *peak) serve(c *net.TCPConn) {
	n := p.live.Add(1)
	for m := p.most.Load(); n > m && !p.most.CompareAndSwap(m, n); m = p.most.Load() {
	}
	io.ReadFull(c, make([]byte, 2))
	p.live.Add(-1) // before the answer, which lets the balancer close
	io.WriteString(c, "ok")
}

// crowd has so many clients at once come so many times each, all to be served, and waits until the last is gone.
func (r *rig) crowd(n, visits int) {
	r.t.Helper()
	var clients sync.WaitGroup
	for range n {
		clients.Go(func() {
			for range visits {
				c, err := net.DialTimeout("tcp", r.Addr().String(), patience)
				if err != nil {
					r.t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(patience))
				io.WriteString(c, "hi")
				if got, err := io.ReadAll(c); string(got) != "ok" {
					r.t.Errorf("read %q, %v", got, err)
				}
				c.Close()
			}
		})
	}
	clients.Wait()
	until(r.t, func() bool { return r.Live() == 0 }, func() any { return r.Live() }, "connections", 0)
}
