package loop

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/splice"
)

// brief is a timeout that tests wait for.
const brief = 300 * time.Millisecond

// A limit of the plan, what its connection does meanwhile, and how it ends.
func TestSlowAndSilentPeersAreLetGo(t *testing.T) {
	flood := make([]byte, 64<<20) // more than all the buffers on the way will hold
	fill := func(c net.Conn) { c.Write(flood) }
	drip := func(c net.Conn) { // a byte now and then, for as long as anybody takes it
		for c.SetDeadline(time.Now().Add(patience)); ; time.Sleep(brief / 30) {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}
	silent := func(net.Conn) {}
	hold := make(chan struct{})
	defer close(hold)
	stay := func(then func(net.Conn)) func(*net.TCPConn) {
		return func(c *net.TCPConn) { then(c); <-hold }
	}
	hello := func(c net.Conn) { io.WriteString(c, "hello") }
	halve := func(c net.Conn) { hello(c); c.(*net.TCPConn).CloseWrite() }
	for _, test := range []struct {
		name   string
		limit  func(*balance.Plan)
		server func(*net.TCPConn)
		client func(net.Conn)
		want   account.Cause
	}{
		{"a client says nothing", func(p *balance.Plan) { p.FirstByteTimeout = brief }, stay(hello), silent, account.FirstByte},
		{"nobody says anything more", func(p *balance.Plan) { p.FirstByteTimeout, p.IdleTimeout = brief/2, brief }, stay(hello), hello, account.Idle},
		{"a client drips", func(p *balance.Plan) { p.IdleTimeout, p.Lifetime = 5*brief, 6*brief }, stay(silent), drip, account.Lifetime},
		{"the client has ended, the server thinks", func(p *balance.Plan) { p.HalfClosedTimeout = brief }, stay(hello), halve, account.HalfClosed},
		{"the server has ended, the client stays", func(p *balance.Plan) { p.HalfClosedTimeout = brief }, stay(halve), hello, account.HalfClosed},
		{"the client has ended, the server goes on", func(p *balance.Plan) { p.HalfClosedTimeout, p.Lifetime = 5*brief, 6*brief }, stay(drip), halve, account.Lifetime},
		{"a client does not read", func(p *balance.Plan) { p.StallTimeout = brief }, stay(fill), hello, account.ClientStalled},
		{"a client that does not read drips", func(p *balance.Plan) { p.StallTimeout, p.IdleTimeout = brief, 5*brief }, stay(fill), drip, account.ClientStalled},
		{"a server does not read", func(p *balance.Plan) { p.StallTimeout = brief }, stay(silent), fill, account.ServerStalled},
		{"a server that does not read drips", func(p *balance.Plan) { p.StallTimeout, p.IdleTimeout = brief, 5*brief }, stay(drip), fill, account.ServerStalled},
		{"a client does not read, and only its age counts", func(p *balance.Plan) { p.Lifetime = 2 * brief }, stay(fill), hello, account.Lifetime},
	} {
		t.Run(test.name, func(t *testing.T) {
			live := func(t *testing.T, poller string, mode splice.Mode) {
				t.Parallel()
				r := newRig(t, poller, []string{serve(t, test.server)}, func(c *Config, p *balance.Plan) {
					c.Splice = mode
					test.limit(p)
				})
				c := r.dial()
				test.client(c)
				r.ended(test.want, 1)
				if closes := r.Closes(); len(closes) != 1 || closes[0].Cause != test.want {
					t.Errorf("remembered: %+v", closes)
				}
			}
			if test.want == account.ClientStalled || test.want == account.ServerStalled {
				eachWay(t, live)
			} else {
				eachPoller(t, func(t *testing.T, poller string) { live(t, poller, splice.Auto) })
			}
		})
	}
}

// stuffed has a direction of the only connection full up to the loop, with a destination that takes nothing.
func (h *hand) stuffed(from *peer, of *half) {
	h.t.Helper()
	full := noise(256 << 10)
	h.until(func() bool { return from.send(full) == 0 && of.pending() }, "the direction is full")
	h.calm()
}

// pass has time pass for the loop, at once.
func (h *hand) pass(d time.Duration) {
	h.cfg.epoch = h.cfg.epoch.Add(-d)
	h.tick()
}

// A peer that takes nothing is told by RST, at once; the other has what was sent to it before, and is told by RST too.
func TestStalledPeersAreTold(t *testing.T) {
	for _, mode := range allModes {
		for _, stalled := range []account.Cause{account.ClientStalled, account.ServerStalled} {
			f := newFarm(t)
			h := newHand(t, []string{f.addr}, func(c *Config, p *balance.Plan) { c.Splice, p.StallTimeout = mode, time.Minute })
			client, server := h.pair(f)
			c := h.only()
			from, to, of := server, client, &c.down
			if stalled == account.ServerStalled {
				from, to, of = client, server, &c.up
			}
			to.send([]byte("before"))
			h.stuffed(from, of)
			h.pass(time.Minute - 3*tick - time.Since(h.cfg.epoch.Add(time.Duration(of.moved)*tick)))
			if h.live != 1 {
				t.Fatalf("%v: %v before its time", mode, stalled)
			}
			h.pass(5 * tick)
			h.until(func() bool { return h.live == 0 }, "the connection is closed")
			if got := h.ended(); got != stalled {
				t.Errorf("%v: ended as %v, want %v", mode, got, stalled)
			}
			if got, e := from.recv(); string(got) != "before" || e != syscall.ECONNRESET {
				t.Errorf("%v, %v: the one that sent got %q, then %v", mode, stalled, got, e)
			}
			if e := to.pending(); e != syscall.ECONNRESET {
				t.Errorf("%v: the one that is %v was told %v", mode, stalled, e)
			}
		}
	}
}

// A server that has answered and ended and takes no more has answered: its client is not told by RST, which could destroy the answer.
func TestServerThatAnswersAndStallsHasAnswered(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(_ *Config, p *balance.Plan) { p.StallTimeout = time.Minute })
	client, server := h.pair(f)
	server.send([]byte("answer"))
	server.shut()
	c := h.only()
	h.stuffed(client, &c.up)
	h.pass(time.Minute + 2*tick)
	if c.state != lingering {
		t.Fatal("the server is not given up")
	}
	if e := client.pending(); e != 0 {
		t.Errorf("the client was told %v while it had the answer before it", e)
	}
	if got, e := client.recv(); string(got) != "answer" || e != 0 {
		t.Errorf("the client got %q, then %v", got, e)
	}
	client.close()
	h.until(func() bool { return h.live == 0 }, "the connection is closed")
	if got := h.ended(); got != account.ServerStalled {
		t.Errorf("ended as %v", got)
	}
}

// A connection that has become too old in the midst of an answer: the client gets what was read of it, and is told that this is not all.
func TestAnswerCutShortByTheLifetime(t *testing.T) {
	for _, mode := range allModes {
		f := newFarm(t)
		h := newHand(t, []string{f.addr}, func(c *Config, p *balance.Plan) { c.Splice, p.Lifetime = mode, time.Hour })
		client, server := h.pair(f)
		c := h.only()
		h.stuffed(server, &c.down)
		c.began -= int64(2 * time.Hour)
		h.judge(c)
		sent := c.down.bytes
		if got, e := h.rest(client); got != sent || e != syscall.ECONNRESET {
			t.Errorf("%v: the client got %d of the %d bytes sent, then %v", mode, got, sent, e)
		}
		h.until(func() bool { return h.live == 0 }, "the connection is closed")
		if got := h.ended(); got != account.Lifetime {
			t.Errorf("%v: ended as %v", mode, got)
		}
	}
}

// The client has more to say when its time is up: what is on its way to it arrives, and the end with it.
func TestBytesUnreadDoNotDestroyTheAnswer(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, nil)
	client, server := h.pair(f)
	client.send([]byte("question"))
	h.calm()
	server.send([]byte("answer"))
	h.calm()
	client.send([]byte("unread"))
	c := h.only()
	c.client.readable = true // its event is in the same batch
	h.expel(c, account.Lifetime)
	h.calm()
	if got, e := client.recv(); string(got) != "answer" || e != 0 {
		t.Errorf("the client got %q, then %v", got, e)
	}
	client.close()
	h.until(func() bool { return h.live == 0 }, "the connection is closed")
}

// A connect of a server that does not answer, from a client that may not last for as long.
func TestLifetimeEndsAConnect(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(_ *Config, p *balance.Plan) { p.Lifetime, p.ConnectTimeout = brief, patience })
	h.plan.Servers[0].Addr = address(blackHole(t))
	h.balancer.Publish(h.plan)
	client := h.dial()
	client.send([]byte("question"))
	h.until(func() bool { return h.totals().Ended[account.Lifetime] == 1 }, "the connection is closed")
	if _, e := client.recv(); e != syscall.ECONNRESET {
		t.Errorf("a client whose question was read and went nowhere was told %v", e)
	}
}

// hoarding is a filter that holds everything back.
type hoarding struct{ Filter }

func (hoarding) Append(dst, _ []byte) []byte { return dst }
func (hoarding) Bad() bool                   { return false }
func (hoarding) Passing() bool               { return false }

// A head that is not whole has not been said: bytes that a filter holds back do not count as the first.
func TestFirstByteIsOneThatGoesOut(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(c *Config, p *balance.Plan) {
		p.FirstByteTimeout, p.Forwarded, c.NewFilter = time.Minute, true, func(netip.Addr) Filter { return hoarding{} }
	})
	client := h.dial()
	client.send([]byte("GET / HT"))
	h.calm()
	h.only().began -= int64(2 * time.Minute)
	client.send([]byte("TP/1.1"))
	h.calm()
	h.judge(h.only())
	if h.live != 0 || h.ended() != account.FirstByte {
		t.Errorf("%d connections live, ended as %v", h.live, h.ended())
	}
}

// The activity of a connection costs no timer call, whatever limits it is under, and one under no limit has no timer.
func TestActivityLeavesTheTimerAlone(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, func(_ *Config, p *balance.Plan) {
		p.HalfClosedTimeout, p.StallTimeout = time.Minute, time.Minute
	})
	client, server := h.pair(f)
	exchange := func() {
		client.send([]byte("x"))
		h.calm()
		server.recv()
		server.send([]byte("y"))
		h.calm()
		client.recv()
	}
	exchange()
	c := h.only()
	h.until(func() bool { return c.tuned && !c.timed }, "the options are set, and there is no timer")
	exchange()
	if c.timed {
		t.Error("a connection under no limit has a timer")
	}
	h.stuffed(server, &c.down)
	due := c.due
	if !c.timed {
		t.Fatal("bytes wait, and there is no timer")
	}
	h.pass(10 * tick)
	h.until(func() bool { client.recv(); return !c.down.pending() }, "the client has taken everything")
	h.stuffed(server, &c.down)
	if !c.timed || c.due != due {
		t.Errorf("the timer was set again, from %d to %d", due, c.due)
	}
	if d := h.deadline(c); d.why != account.ClientStalled || d.at < due+10 {
		t.Errorf("the deadline is %+v, the first was %d", d, due)
	}
}

// Every timeout holds at once for a connection that is there, and another change of the plan does not put it off.
func TestTimeoutsHoldForConnectionsThatAreThere(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	for _, test := range []struct {
		name   string
		server func(*net.TCPConn)
		limit  func(*balance.Plan)
		want   account.Cause
	}{
		{"first byte", func(*net.TCPConn) { <-hold }, func(p *balance.Plan) { p.FirstByteTimeout = brief }, account.FirstByte},
		{"half closed", func(c *net.TCPConn) { c.CloseWrite(); <-hold }, func(p *balance.Plan) { p.HalfClosedTimeout = brief }, account.HalfClosed},
		{"stalled", func(c *net.TCPConn) { c.Write(noise(32 << 20)); <-hold }, func(p *balance.Plan) { p.StallTimeout = brief }, account.ClientStalled},
		{"lifetime", func(*net.TCPConn) { <-hold }, func(p *balance.Plan) { p.Lifetime = brief }, account.Lifetime},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, poller string) {
				t.Parallel()
				r := newRig(t, poller, []string{serve(t, test.server)}, nil)
				r.dial()
				until(t, func() bool { v := r.Connections(); return len(v) == 1 && !v[0].Connecting }, func() any { return r.Connections() }, "connections", "one that stands")
				r.change(test.limit)
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					for n := 1; ; n++ {
						select {
						case <-stop:
							return
						case <-time.After(brief / 10): // an operator who is never done
							r.change(func(p *balance.Plan) { p.MaxConns = n })
						}
					}
				}()
				r.ended(test.want, 1)
				close(stop)
				<-stopped
			})
		})
	}
}
