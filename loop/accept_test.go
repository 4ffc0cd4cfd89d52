package loop

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

func TestAcceptErrorsHaveOneOfThreeVerdicts(t *testing.T) {
	for e, want := range map[syscall.Errno]acceptVerdict{
		syscall.EAGAIN: acceptDone, syscall.EINTR: acceptRetry, syscall.ECONNABORTED: acceptRetry, syscall.EPROTO: acceptRetry, syscall.EPERM: acceptRetry,
		syscall.ENETUNREACH: acceptRetry, syscall.EMFILE: acceptRest, syscall.ENFILE: acceptRest, syscall.ENOBUFS: acceptRest, syscall.ENOMEM: acceptRest,
		syscall.EINVAL: acceptRest, syscall.EBADF: acceptRest, syscall.Errno(9999): acceptRest,
	} {
		if got := judgeAccept(e); got != want {
			t.Errorf("%v: verdict %d, expected %d", e, got, want)
		}
	}
}

// inject makes a cold call fail until the returned function is called. The loops read the hook without a lock, so it is set before they start.
func inject(hook *func() syscall.Errno, e syscall.Errno) (failing *atomic.Bool, calls *atomic.Int64) {
	failing, calls = new(atomic.Bool), new(atomic.Int64)
	failing.Store(true)
	*hook = func() syscall.Errno {
		calls.Add(1)
		if failing.Load() {
			return e
		}
		return 0
	}
	return failing, calls
}

// Cleanups run last in, first out: taking the hook away has to be registered before the rig that uses it.
func clearFaults(t *testing.T) {
	t.Cleanup(func() { sys.Fault = struct{ Accept, Socket, Connect, Pipe func() syscall.Errno }{} })
}

func TestOutOfDescriptorsAcceptingPausesWithoutSpinningAndResumes(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		clearFaults(t)
		failing, calls := inject(&sys.Fault.Accept, syscall.EMFILE)
		r := newRig(t, poller, []string{serve(t, named("here"))}, func(c *Config, _ *balance.Plan) { c.Loops = 1 })
		c := r.dial()
		until(t, func() bool { return calls.Load() >= 3 }, func() any { return calls.Load() }, "accept calls", "at least 3: the pause ends by the timer")
		began, before := time.Now(), calls.Load()
		until(t, func() bool { return calls.Load() >= before+2 }, func() any { return calls.Load() }, "accept calls", before+2)
		if quick := 2 * acceptPause / 2; time.Since(began) < quick {
			t.Errorf("2 more accept calls within %v: it spins", time.Since(began))
		}
		failing.Store(false)
		c.SetDeadline(time.Now().Add(patience)) // the rests before it grow up to a good part of this
		if got, err := io.ReadAll(c); string(got) != "here" {
			t.Errorf("after the pause the client read %q, %v", got, err)
		}
	})
}

func TestClientAcceptedWithTheLastDescriptorIsServed(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		clearFaults(t)
		var r *rig
		calls := new(atomic.Int64)
		// The first socket call for a server fails, as it does when accept took the last descriptor; the second finds the spare one's place.
		sys.Fault.Socket = func() syscall.Errno {
			if calls.Add(1) == 1 {
				return syscall.EMFILE
			}
			return 0
		}
		r = newRig(t, poller, []string{serve(t, named("here"))}, func(c *Config, _ *balance.Plan) { c.Loops = 1 })
		if got, err := io.ReadAll(r.dial()); string(got) != "here" {
			t.Errorf("the client read %q, %v", got, err)
		}
		if got, err := io.ReadAll(r.dial()); string(got) != "here" {
			t.Errorf("the next client read %q, %v", got, err)
		}
		r.count(account.AcceptPauses, 1)
		if n := r.slots.Get(r.plan.Servers[0].ID).Failures(); n != 0 {
			t.Errorf("the server is blamed %d times for our want of descriptors", n)
		}
	})
}

func TestConnectionLimitMakesClientsWaitNotFail(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, func(c *Config, _ *balance.Plan) { c.MaxConns = 3 })
		var open []net.Conn
		for range 3 {
			c := r.dial()
			io.WriteString(c, "x")
			io.ReadFull(c, make([]byte, 1))
			open = append(open, c)
		}
		waiting := r.dial() // the kernel accepts it; we do not
		io.WriteString(waiting, "y")
		until(t, func() bool { return r.Totals().Counts[account.LimitReached] > 0 }, func() any { return 0 }, "limit_reached", "at least 1")
		if n := r.Live(); n != 3 {
			t.Fatalf("%d connections with a limit of 3", n)
		}
		open[1].Close()
		if _, err := io.ReadFull(waiting, make([]byte, 1)); err != nil {
			t.Errorf("the waiting client was not served when there was room: %v", err)
		}
	})
}

func TestDualStackListenerTakesBothFamilies(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, named("here"))}, func(c *Config, _ *balance.Plan) {
			c.Endpoint = Endpoint{IP: netip.MustParseAddrPort("[::]:0"), DualStack: true}
		})
		for _, host := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(host), r.Addr().Port()).String())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); string(got) != "here" {
				t.Errorf("%s: read %q, %v", host, got, err)
			}
			c.Close()
		}
	})
}

// PEN.md B15: a second Pen on the same port starts happily and takes half the clients.
func TestSecondGroupOnTheSameAddressIsRefused(t *testing.T) {
	r := newRig(t, "raw", []string{serve(t, echo)}, nil)
	cfg := *r.loops[0].cfg
	cfg.Endpoint.IP = r.Addr()
	if g, err := Open(cfg, r.balancer); err == nil {
		g.Wait()
		t.Error("a second listener was opened on a port in use")
	}
	io.WriteString(r.dial(), "still here")
}
