package loop

import (
	"bytes"
	"io"
	"net"
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

func TestDrainServesWhatIsThereAndRefusesWhatIsNew(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, nil)
		c := r.dial().(*net.TCPConn)
		io.WriteString(c, "a")
		io.ReadFull(c, make([]byte, 1))
		r.Drain()
		until(t, func() bool {
			d, err := net.Dial("tcp", r.Addr().String())
			if err == nil {
				d.Close()
			}
			return err != nil
		}, func() any { return "a connection" }, "dialling a draining balancer", "a refusal")
		io.WriteString(c, "b")
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "b" || err != nil {
			t.Errorf("while draining the client read %q, %v", got, err)
		}
		r.Wait()
	})
}

func TestStopClosesEverythingAtOnce(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, nil)
		var open []net.Conn
		for range 50 {
			c := r.dial()
			io.WriteString(c, "a")
			io.ReadFull(c, make([]byte, 1))
			open = append(open, c)
		}
		r.Stop()
		r.Wait()
		for _, c := range open {
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("a stopped connection ended with %v", err)
			}
		}
		if n := r.Totals().Ended[account.Drained]; n != 50 {
			t.Errorf("%d connections ended by the stop, expected 50", n)
		}
	})
}

func TestRunningBytesAreToldOnDemand(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, nil)
		c := r.dial()
		io.WriteString(c, "12345")
		io.ReadFull(c, make([]byte, 5))
		r.Settle()
		if s := r.slots.Get(r.plan.Servers[0].ID); s.Up() != 5 || s.Down() != 5 {
			t.Errorf("told %d up and %d down of 5 each", s.Up(), s.Down())
		}
	})
}

// A descriptor's number may have a new owner by the time its event is looked at (PEN.md B25): no event, however false, may harm the connection it meets.
func TestForgedEventsAreHarmless(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		hold := make(chan struct{})
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { <-hold; echo(c) }), blackHole(t)}, func(c *Config, p *balance.Plan) { c.Loops = 1 })
		forge := func() {
			done := make(chan struct{})
			r.loops[0].post(func(l *Loop) {
				for fd := range len(l.ends.chunks)*chunkEnds + 5 {
					for _, ev := range []uint32{sys.In, sys.Out, sys.RdHup, sys.Hup, sys.Err, sys.In | sys.Out | sys.RdHup | sys.Hup | sys.Err} {
						l.event(fd, 0, ev)
					}
				}
				close(done)
			})
			<-done
		}
		sent := noise(1 << 20)
		var open []*net.TCPConn
		for range 4 { // half of them to the silent server: they are still connecting
			open = append(open, r.dial().(*net.TCPConn))
		}
		forge()
		close(hold)
		served := 0
		for _, c := range open[:4] {
			c := c
			forge()
			go func() {
				c.Write(sent)
				c.CloseWrite()
			}()
		}
		for _, c := range open {
			forge()
			if got, err := io.ReadAll(c); err == nil && bytes.Equal(got, sent) {
				served++
			}
		}
		if served != 4 {
			t.Errorf("%d of 4 connections came through the forged events", served)
		}
		if r.Totals().Counts[account.Stale] == 0 {
			t.Error("not one event was counted as stale")
		}
	})
}
