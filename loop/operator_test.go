package loop

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

func TestDummyAnswersWhateverIsSaid(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, nil, func(_ *Config, p *balance.Plan) { p.Dummy = true })
		c := r.dial()
		io.WriteString(c, "hello?\r\n")
		if got, err := io.ReadAll(c); string(got) != dummyAnswer || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		r.ended(account.Answered, 1)
	})
}

func TestFastCloseEndsBothSidesWithOne(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		hold := make(chan struct{})
		t.Cleanup(func() { close(hold) })
		up := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { io.WriteString(c, "all"); c.CloseWrite(); <-hold })},
			func(_ *Config, p *balance.Plan) { p.FastClose = balance.FastUp })
		if got, err := io.ReadAll(up.dial()); string(got) != "all" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		up.ended(account.ServerFin, 1)
		down := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { io.ReadAll(c); <-hold })},
			func(_ *Config, p *balance.Plan) { p.FastClose = balance.FastDown })
		down.dial().(*net.TCPConn).CloseWrite()
		down.ended(account.ClientFin, 1)
	})
}

// marking is a filter that puts a mark before every read, and objects to an x.
type marking struct{ bad bool }

func (m *marking) Append(dst, src []byte) []byte {
	m.bad = m.bad || bytes.ContainsRune(src, 'x')
	return append(append(dst, '>'), src...)
}
func (m *marking) End()          {}
func (m *marking) Bad() bool     { return m.bad }
func (m *marking) Passing() bool { return false }

func TestFilterRewritesWhatTheClientSaysAndCanEndIt(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, func(c *Config, p *balance.Plan) {
			p.Forwarded = true
			c.NewFilter = func(netip.Addr) Filter { return new(marking) }
		})
		c := r.dial()
		for range 3 {
			io.WriteString(c, "abc")
			got := make([]byte, 4)
			if _, err := io.ReadFull(c, got); string(got) != ">abc" {
				t.Fatalf("read %q, %v", got, err)
			}
		}
		io.WriteString(c, "x")
		if got, _ := io.ReadAll(c); len(got) != 0 {
			t.Errorf("after a bad request the client read %q", got)
		}
		r.ended(account.BadRequest, 1)
	})
}

// notebook is an access log in memory.
type notebook struct {
	mu    sync.Mutex
	lines []string
}

func (n *notebook) Line(_ int64, client netip.Addr, server string, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, client.String()+" "+server+" "+string(data))
}

func TestAccessLogIsToldOfEveryRead(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, func(_ *Config, p *balance.Plan) { p.Servers[0].Host = "there" })
		book := new(notebook)
		r.LogTo(book)
		c := r.dial()
		for _, s := range []string{"one", "two"} {
			io.WriteString(c, s)
			io.ReadFull(c, make([]byte, 3))
		}
		r.LogTo(nil)
		io.WriteString(c, "six")
		io.ReadFull(c, make([]byte, 3))
		if got := strings.Join(book.lines, "|"); got != "127.0.0.1 there one|127.0.0.1 there two" {
			t.Errorf("told %q", got)
		}
	})
}

func TestConnectionsAreNumberedSeenAndKilled(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, nil)
		open := map[string]net.Conn{}
		for range 5 {
			c := r.dial()
			io.WriteString(c, "x")
			io.ReadFull(c, make([]byte, 1))
			open[c.LocalAddr().String()] = c
		}
		views := r.Connections()
		if len(views) != 5 {
			t.Fatalf("%d connections seen of 5", len(views))
		}
		for i, v := range views {
			if open[v.Client.String()] == nil || v.Down < 0 || v.Up < 0 || v.Server == nil || v.Connecting || i > 0 && v.Number <= views[i-1].Number {
				t.Errorf("view %+v", v)
			}
		}
		// PEN.md B11: closing a free number spoilt the count.
		if r.Kill(9999) {
			t.Error("a connection that is not there was killed")
		}
		if !r.Kill(views[2].Number) {
			t.Error("a connection that is there was not found")
		}
		if _, err := io.ReadAll(open[views[2].Client.String()]); err != nil {
			t.Errorf("the killed connection ended with %v", err)
		}
		if n := len(r.Connections()); n != 4 {
			t.Errorf("%d connections after one was killed", n)
		}
		r.ended(account.Forced, 1)
	})
}

func TestListenerMovesAndConnectionsStay(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, nil)
		old, was := r.dial(), r.Addr()
		if err := r.Move(Endpoint{IP: netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
			t.Fatal(err)
		}
		if r.Addr() == was {
			t.Fatal("the address has not changed")
		}
		for _, c := range []net.Conn{r.dial(), old} {
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
		until(t, func() bool {
			c, err := net.Dial("tcp", was.String())
			if err == nil {
				c.Close()
			}
			return err != nil
		}, func() any { return "a connection" }, "dialling the old address", "a refusal")
		if err := r.Move(Endpoint{IP: netip.MustParseAddrPort("192.0.2.1:1")}); err == nil {
			t.Error("moved to an address of another machine")
		}
		io.WriteString(r.dial(), "still there")
	})
}

func TestIdlersStandAndReturn(t *testing.T) {
	// PEN.md B23
	eachPoller(t, func(t *testing.T, poller string) {
		came := make(chan *net.TCPConn, 100)
		hold := make(chan struct{})
		t.Cleanup(func() { close(hold) })
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { came <- c; <-hold })}, func(_ *Config, p *balance.Plan) { p.Idlers = 3 })
		r.Refresh()
		for range 3 {
			(<-came).Close() // and the one that takes its place
		}
		for range 3 {
			<-came
		}
		until(t, func() bool { return r.Idlers() == 3 }, func() any { return r.Idlers() }, "idlers", 3)
		r.change(func(p *balance.Plan) { p.Idlers = 0 })
		until(t, func() bool { return r.Idlers() == 0 }, func() any { return r.Idlers() }, "idlers", 0)
	})
}

func TestIdleTimeoutHoldsForConnectionsThatAreThere(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, nil)
		c := r.dial()
		io.WriteString(c, "x")
		io.ReadFull(c, make([]byte, 1))
		r.change(func(p *balance.Plan) { p.IdleTimeout = 200 * time.Millisecond })
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
		r.ended(account.Idle, 1)
	})
}

func TestSourceAddressIsWhatServersSee(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		seen := make(chan string, 1)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { seen <- c.RemoteAddr().(*net.TCPAddr).IP.String() })},
			func(_ *Config, p *balance.Plan) { p.Source = netip.MustParseAddr("127.0.0.77") })
		r.dial()
		if got := <-seen; got != "127.0.0.77" {
			t.Errorf("the server sees %s", got)
		}
	})
}

func TestTuningAndLimitChangeWhileRunning(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, func(c *Config, _ *balance.Plan) { c.MaxConns, c.Loops = 1, 1 })
		r.Tune(sys.Tuning{Keepalive: time.Minute})
		first, second := r.dial(), r.dial()
		io.WriteString(first, "x")
		io.ReadFull(first, make([]byte, 1))
		io.WriteString(second, "y")
		r.SetMax(2)
		if _, err := io.ReadFull(second, make([]byte, 1)); err != nil {
			t.Errorf("the limit was raised, and the client that waited was not served: %v", err)
		}
	})
}

func TestIdlersDoNotHoldUpADrain(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		hold := make(chan struct{})
		t.Cleanup(func() { close(hold) })
		r := newRig(t, poller, []string{serve(t, func(*net.TCPConn) { <-hold })}, func(_ *Config, p *balance.Plan) { p.Idlers = 2 })
		r.Refresh()
		until(t, func() bool { return r.Idlers() == 2 }, func() any { return r.Idlers() }, "idlers", 2)
		r.Drain()
		r.Wait()
	})
}
