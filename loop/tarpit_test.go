package loop

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
)

// limited starts loops over a server that echoes, for which one client may have so many connections, and has those made.
func limited(t *testing.T, poller string, conns int, tweak func(*Config, *balance.Plan)) (r *rig, served []net.Conn) {
	t.Helper()
	r = newRig(t, poller, []string{serve(t, answerEach)}, func(c *Config, p *balance.Plan) {
		p.Limits.Conns = conns
		tweak(c, p)
	})
	for range conns {
		served = append(served, r.dial())
		hears(t, served[len(served)-1])
	}
	return r, served
}

// answerEach sends back a byte for each read, until the end.
func answerEach(c *net.TCPConn) {
	for buf := make([]byte, 64); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
		c.Write(buf[:1])
	}
}

// hears checks that a connection is served.
func hears(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatalf("not served: %v", err)
	}
}

// wantReset checks that a connection is ended by RST.
func wantReset(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ends with %v, want a reset", err)
	}
}

// refused connects and is reset, which it may hear of by either call.
func (r *rig) refused() {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.Addr().String(), patience)
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		wantReset(r.t, c)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		r.t.Error(err)
	}
}

func TestClientOverItsLimitIsReset(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r, served := limited(t, poller, 3, func(*Config, *balance.Plan) {})
		for range 5 {
			r.refused()
		}
		r.ended(account.ClientLimit, 5)
		served[1].Close()
		until(t, func() bool { return r.Live() == 2 }, func() any { return r.Live() }, "live", 2)
		hears(t, r.dial())
		r.refused()
		hears(t, served[0])
	})
}

func TestTarpitHoldsSoManyAndNoLonger(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r, _ := limited(t, poller, 1, func(c *Config, p *balance.Plan) {
			p.OverLimit, c.TarpitMost, c.TarpitTime = balance.Tarpit, 3, 300*time.Millisecond
		})
		began := time.Now()
		var held []net.Conn
		for n := range 3 {
			c := r.dial()
			c.Write([]byte("let me in"))
			held = append(held, c)
			r.count(account.Tarpitted, uint64(n+1))
		}
		r.refused() // there is no room for more
		r.ended(account.ClientLimit, 1)
		for _, c := range held {
			wantReset(t, c)
		}
		if lasted := time.Since(began); lasted < 300*time.Millisecond {
			t.Errorf("held for %v", lasted)
		}
		r.ended(account.ClientLimit, 4)
		r.dial() // there is room again
		r.count(account.Tarpitted, 4)
	})
}

func TestClientThatLeavesTheTarpitFreesItsPlace(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r, _ := limited(t, poller, 1, func(c *Config, p *balance.Plan) { p.OverLimit, c.TarpitMost = balance.Tarpit, 1 })
		for n, leave := range []func(c *net.TCPConn){
			func(c *net.TCPConn) { c.Close() },
			func(c *net.TCPConn) { c.CloseWrite() },
			func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
			func(c *net.TCPConn) { c.Write([]byte("some bytes that nobody reads")); c.Close() },
		} {
			c := r.dial().(*net.TCPConn)
			r.count(account.Tarpitted, uint64(n+1))
			leave(c)
			r.ended(account.ClientLimit, uint64(n+1))
		}
	})
}

// Without a number a tenth of all connections may be in the tarpit, of what is the limit then.
func TestTarpitIsATenth(t *testing.T) {
	r, _ := limited(t, "raw", 1, func(c *Config, p *balance.Plan) { p.OverLimit, c.MaxConns = balance.Tarpit, 20 })
	for n := range 2 {
		r.dial()
		r.count(account.Tarpitted, uint64(n+1))
	}
	r.refused()
	r.SetMax(30)
	r.dial()
	r.count(account.Tarpitted, 3)
	r.refused()
}

// A loop that drains waits for connections that are served, not for those.
func TestDrainDoesNotWaitForTheTarpit(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r, served := limited(t, poller, 1, func(c *Config, p *balance.Plan) { p.OverLimit = balance.Tarpit })
		held := r.dial()
		r.count(account.Tarpitted, 1)
		r.Drain()
		wantReset(t, held)
		hears(t, served[0])
		served[0].Close()
		r.Wait()
	})
}

// What comes from a Unix client says nothing about its end either.
func TestTarpitOfAUnixListener(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r, served := limited(t, poller, 1, func(c *Config, p *balance.Plan) {
			p.OverLimit, c.TarpitMost, c.Endpoint = balance.Tarpit, 1, Endpoint{Path: temporary(t)}
		})
		c := r.dial()
		r.count(account.Tarpitted, 1)
		c.Write([]byte("hello"))
		hears(t, served[0])
		if r.Live() != 2 {
			t.Errorf("%d connections, want the one that is served and the one that is held", r.Live())
		}
		c.Close()
		r.ended(account.ClientLimit, 1)
	})
}
