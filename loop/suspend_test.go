package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
)

// free is an address nobody has.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	return netip.MustParseAddrPort(refusing(t))
}

// A suspended group refuses clients and carries on those it has; resumed, every loop takes clients again, by the steering that was asked for.
func TestSuspendAndResume(t *testing.T) {
	for _, steer := range []Steer{SteerOff, SteerClient} {
		eachPoller(t, func(t *testing.T, poller string) {
			at := free(t)
			r := newRig(t, poller, []string{serve(t, echo)}, func(c *Config, _ *balance.Plan) { c.Endpoint.IP, c.Loops, c.Steer = at, 3, steer })
			exchange := func(c net.Conn) {
				t.Helper()
				io.WriteString(c, "x")
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Error(err)
				}
			}
			inside := r.dial()
			for range 3 {
				exchange(inside)
				r.Suspend()
				r.Suspend()
				if !r.Suspended() {
					t.Error("not suspended")
				}
				if c, err := net.Dial("tcp", at.String()); !errors.Is(err, syscall.ECONNREFUSED) {
					if err == nil {
						c.Close()
					}
					t.Errorf("suspended: %v", err)
				}
				if _, most := r.Backlog(); most != 0 {
					t.Errorf("suspended, the queues have %d places", most)
				}
				exchange(inside)
				if err := r.Resume(); err != nil || r.Suspended() {
					t.Fatalf("resumed: %v, suspended %v", err, r.Suspended())
				}
				if _, most := r.Backlog(); most != 3*500 {
					t.Errorf("the queues have %d places, want 1500", most)
				}
				on := map[int]bool{}
				for range 40 {
					exchange(r.dial())
				}
				for _, v := range r.Connections() {
					on[v.Number%3] = true
				}
				if steer == SteerClient && len(on) != 1 || steer == SteerOff && len(on) != 3 {
					t.Errorf("40 connections of one client are on the loops %v", on)
				}
				for c := range r.loops[0].cfg.Loops {
					r.loops[c].post(func(l *Loop) {
						for c := range l.connections() {
							if c.peer.Port() != uint16(inside.LocalAddr().(*net.TCPAddr).Port) {
								l.close(c, account.Forced)
							}
						}
					})
				}
			}
			r.Suspend()
			r.Drain() // with the door closed
			inside.Close()
			r.Wait()
		})
	}
}

// Somebody who has got the address meanwhile is said, and once he is gone it works.
func TestResumeSaysThatTheAddressIsTaken(t *testing.T) {
	at := free(t)
	r := newRig(t, "raw", []string{serve(t, echo)}, func(c *Config, _ *balance.Plan) { c.Endpoint.IP = at })
	r.Suspend()
	r.ask(func(l *Loop) { // which Mute has taken away so that this cannot happen
		if err := syscall.SetsockoptInt(l.listener.fd.Int(), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			t.Error(err)
		}
	})
	other, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Resume(); !errors.Is(err, syscall.EADDRINUSE) || !r.Suspended() {
		t.Errorf("resumed: %v, suspended %v", err, r.Suspended())
	}
	other.Close()
	if err := r.Resume(); err != nil {
		t.Error(err)
	}
	io.WriteString(r.dial(), "x")
}

func TestMoveEndsASuspension(t *testing.T) {
	r := newRig(t, "raw", []string{serve(t, named("a"))}, func(c *Config, _ *balance.Plan) { c.Endpoint.IP = free(t) })
	r.Suspend()
	if err := r.Move(Endpoint{IP: netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
		t.Fatal(err)
	}
	if r.Suspended() {
		t.Error("still suspended")
	}
	if got, err := io.ReadAll(r.dial()); string(got) != "a" {
		t.Errorf("read %q, %v", got, err)
	}
}
