package loop

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/sys"
)

// PEN.md B1: with epoll, Pen answered a refused server with an immediate end of file, no failover, no blacklist.
func TestRefusedServerFailsOverAndIsShunned(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{refusing(t), serve(t, named("two"))}, nil)
		for range 4 {
			if got, err := io.ReadAll(r.dial()); string(got) != "two" {
				t.Fatalf("read %q, %v", got, err)
			}
		}
		s := r.slots.Get(r.plan.Servers[0].ID)
		if s.Failures() > 1 {
			t.Errorf("a server that refused was tried %d times within its blacklist time", s.Failures())
		}
	})
}

// blackHole is an address whose connects are never answered: its backlog is full. It stays within 127/8.
func blackHole(t *testing.T) string {
	t.Helper()
	fds, err := sys.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), false, 1, 0, sys.Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fds[0].Close() })
	at, _ := sys.LocalAddr(fds[0].Int())
	for {
		c, err := net.DialTimeout("tcp", at.String(), 100*time.Millisecond)
		if err != nil {
			return at.String()
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestSilentServerIsGivenUpAfterTheConnectTimeout(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{blackHole(t), serve(t, named("two"))}, func(c *Config, p *balance.Plan) {
			p.ConnectTimeout = 300 * time.Millisecond
			p.Prio = true
		})
		began := time.Now()
		got, err := io.ReadAll(r.dial())
		if took := time.Since(began); string(got) != "two" || took < 300*time.Millisecond || took > 2*time.Second {
			t.Errorf("read %q, %v after %v", got, err, took)
		}
		r.count(account.TimedOut, 1)
	})
}

func TestNoServerClosesTheClient(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{refusing(t), refusing(t)}, nil)
		if got, err := io.ReadAll(r.dial()); len(got) != 0 || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		r.ended(account.ConnectRefused, 1)
	})
}

func TestOurOwnTroubleIsNoServersFault(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EADDRNOTAVAIL, syscall.ENOMEM, syscall.ENOSPC, syscall.EACCES, syscall.EBADF} {
		if blamed(e) {
			t.Errorf("%v blames the server", e)
		}
	}
	for _, e := range []syscall.Errno{syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNRESET, syscall.ENOENT} {
		if !blamed(e) {
			t.Errorf("%v does not blame the server", e)
		}
	}
	eachPoller(t, func(t *testing.T, poller string) {
		clearFaults(t)
		sys.Fault.Connect = func() syscall.Errno { return syscall.EADDRNOTAVAIL }
		r := newRig(t, poller, []string{serve(t, echo), serve(t, echo)}, func(c *Config, _ *balance.Plan) { c.SendBatch = false })
		io.ReadAll(r.dial())
		r.ended(account.Local, 1)
		r.count(account.LocalErrors, 2)
		for _, s := range r.plan.Servers {
			if h := r.slots.Get(s.ID).Health(r.loops[0].now()); h != (backend.Health{}) {
				t.Errorf("%s is held to be unwell: %+v", s.Name, h)
			}
		}
	})
}

func TestIdleConnectionsAreReapedAlsoHalfClosedOnes(t *testing.T) {
	// PEN.md B7: half-closed connections were never reaped.
	eachPoller(t, func(t *testing.T, poller string) {
		hold := make(chan struct{})
		t.Cleanup(func() { close(hold) })
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { <-hold })}, func(_ *Config, p *balance.Plan) { p.IdleTimeout = 300 * time.Millisecond })
		whole, half := r.dial(), r.dial().(*net.TCPConn)
		half.CloseWrite()
		began := time.Now()
		for _, c := range []net.Conn{whole, half} {
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("an idle connection ended with %v", err)
			}
		}
		if took := time.Since(began); took < 250*time.Millisecond {
			t.Errorf("reaped after %v, the timeout is 300ms", took)
		}
		r.ended(account.Idle, 2)
	})
}

func TestTrafficKeepsAConnectionFromBeingIdle(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, func(_ *Config, p *balance.Plan) { p.IdleTimeout = 400 * time.Millisecond })
		c := r.dial()
		for began := time.Now(); time.Since(began) < 1200*time.Millisecond; {
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatalf("ended while in use: %v", err)
			}
			time.Sleep(20 * time.Millisecond) // the traffic's own pace
		}
		if n := r.Totals().Ended[account.Idle]; n != 0 {
			t.Errorf("%d connections ended as idle", n)
		}
	})
}
