package loop

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/acl"
	"pen/internal/balance"
	"pen/internal/sys"
)

// places gives every server of a plan so many places, and the plan a queue.
func places(n, queue int) func(*Config, *balance.Plan) {
	return func(_ *Config, p *balance.Plan) {
		p.Queue, p.QueueTimeout, p.FastClose = queue, time.Minute, balance.FastUp
		for i := range p.Servers {
			p.Servers[i].Soft = n
		}
	}
}

// waiting is the numbers of those in the queue, in its order, read in both directions.
func (h *hand) waiting() (numbers []uint32) {
	for c := h.queue.first; c != nil; c = c.search.behind {
		numbers = append(numbers, c.number)
	}
	var back []uint32
	for c := h.queue.last; c != nil; c = c.search.before {
		back = append(back, c.number)
	}
	if slices.Reverse(back); !slices.Equal(numbers, back) {
		h.t.Errorf("the queue is %v from the first and %v from the last", numbers, back)
	}
	if n := h.balancer.Waiting(); n != len(numbers) {
		h.t.Errorf("%d are counted, %d wait", n, len(numbers))
	}
	if n := h.totals().Queued; int(n) != len(numbers) {
		h.t.Errorf("the ledger counts %d, %d wait", n, len(numbers))
	}
	return numbers
}

// arrive brings a client, and lets the loop do what it will.
func (h *hand) arrive() *peer {
	p := h.dial()
	h.calm()
	return p
}

// Whoever finds every server at its limit waits, and they are served in the order in which they came; one more than may wait is turned away at once.
func TestTheQueueIsServedInOrderAndBounded(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, places(1, 3))
	_, server := h.pair(f)
	var clients []*peer
	for range 3 {
		clients = append(clients, h.arrive())
	}
	order := h.waiting()
	if len(order) != 3 || h.totals().Counts[account.Queued] != 3 {
		t.Fatalf("%v wait, %d ever", order, h.totals().Counts[account.Queued])
	}
	late := h.arrive()
	if _, e := late.recv(); e != 0 {
		t.Errorf("a fourth: %v, want the end", e)
	}
	if n := h.totals().Ended[account.AtLimit]; n != 1 {
		t.Errorf("%d ended at the limit, want 1", n)
	}
	for i, c := range clients {
		server.close()
		h.calm()
		server = f.take()
		server.send([]byte{byte(i)})
		h.calm()
		if got, _ := c.recv(); len(got) != 1 || got[0] != byte(i) {
			t.Errorf("client %d read %v", i, got)
		}
		if left := h.waiting(); !slices.Equal(left, order[i+1:]) {
			t.Errorf("after %d served %v wait, want %v", i+1, left, order[i+1:])
		}
	}
}

func TestWhoWaitsTooLongIsTurnedAway(t *testing.T) {
	f := newFarm(t)
	for _, reset := range []bool{false, true} {
		h := newHand(t, []string{f.addr}, places(1, 3))
		h.plan.QueueTimeout = 200 * time.Millisecond
		want := syscall.Errno(0)
		if reset {
			h.plan.OnNoServer, want = balance.CloseByReset, syscall.ECONNRESET
		}
		_, server := h.pair(f)
		began := time.Now()
		client := h.arrive()
		h.until(func() bool { return h.totals().Ended[account.QueueTimedOut] == 1 }, "its time is up")
		if took := time.Since(began); took < h.plan.QueueTimeout {
			t.Errorf("turned away after %v, before its %v were over", took, h.plan.QueueTimeout)
		}
		if _, e := client.recv(); e != want {
			t.Errorf("reset %v: the client reads %v, want %v", reset, e, want)
		}
		if left := h.waiting(); left != nil {
			t.Errorf("%v wait", left)
		}
		server.close()
	}
}

// A client that is gone leaves the queue; one that has only ended its side is served. What was said while waiting arrives.
func TestClientsLeaveTheQueue(t *testing.T) {
	for _, unix := range []bool{false, true} {
		t.Run(fmt.Sprint("unix ", unix), func(t *testing.T) {
			f := newFarm(t)
			h := newHand(t, []string{f.addr}, func(c *Config, p *balance.Plan) {
				places(1, 10)(c, p)
				if unix {
					c.Endpoint = Endpoint{Path: temporary(t)}
				}
			})
			_, server := h.pair(f)
			first, second, third := h.arrive(), h.arrive(), h.arrive()
			order := h.waiting()
			second.send([]byte("question"))
			second.shut()
			h.calm()
			if got := h.waiting(); !slices.Equal(got, order) {
				t.Fatalf("after a half-close %v wait, want %v", got, order)
			}
			if unix {
				first.close()
			} else {
				first.reset()
			}
			h.calm()
			if got := h.waiting(); !slices.Equal(got, order[1:]) {
				t.Fatalf("after the first has gone %v wait, want %v", got, order[1:])
			}
			if n := h.totals().Ended[account.ClientReset]; n != 1 {
				t.Errorf("%d ended by the client, want 1", n)
			}
			server.close()
			h.calm()
			server = f.take()
			h.calm()
			if got, e := server.recv(); string(got) != "question" || e != 0 {
				t.Errorf("the server reads %q, %v", got, e)
			}
			server.send([]byte("answer"))
			server.close()
			h.calm()
			if got, e := second.recv(); string(got) != "answer" || e != 0 {
				t.Errorf("the client reads %q, %v", got, e)
			}
			f.take()
			third.close()
		})
	}
}

// What holds one client back need not hold the next: its home, a list, a limit that is for strangers. Each row has the first of two in the queue stay and the second served.
func TestAClientThatMustWaitHoldsUpNobodyElse(t *testing.T) {
	from := func(h *hand, addr string) *peer {
		fd, _ := sys.Socket(sys.Inet)
		if e := sys.BindSource(fd, netip.MustParseAddr(addr), false); e != 0 {
			t.Fatal(e)
		}
		p := own(h.t, fd)
		for e := sys.ConnectIP(fd, h.at); e != 0 && e != syscall.EISCONN; e = sys.ConnectIP(fd, h.at) {
			time.Sleep(time.Millisecond)
		}
		h.calm()
		return p
	}
	const stays, goes = "127.0.0.2", "127.0.0.3"
	for _, c := range []struct {
		name  string
		tweak func(*balance.Plan)
		home  string // which of the two has been on server 1, where a place becomes free, before
	}{
		{"a stubborn one whose home is the other server", func(p *balance.Plan) { p.Stubborn = true }, goes},
		{"a list of the server", func(p *balance.Plan) {
			denied, err := acl.ParseEntry([]string{"deny", stays})
			if err != nil {
				t.Fatal(err)
			}
			p.Lists, _ = p.Lists.Append(1, denied)
			p.Servers[1].ACL = 1
		}, ""},
		{"a hard limit", func(p *balance.Plan) { p.Servers[1].Hard = 2 }, goes},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, g := newFarm(t), newFarm(t)
			h := newHand(t, []string{f.addr, g.addr}, func(cfg *Config, p *balance.Plan) {
				places(0, 10)(cfg, p)
				p.Prio = true
				c.tweak(p)
			})
			publish := func(edit func(p *balance.Plan)) {
				p := *h.balancer.Plan()
				p.Servers = slices.Clone(p.Servers)
				edit(&p)
				h.balancer.Publish(&p)
			}
			visit := func(addr string, server int) { // makes that server the client's home
				publish(func(p *balance.Plan) { p.Servers[0].Prio, p.Servers[1].Prio = server, 1-server })
				p := from(h, addr)
				[]*farm{f, g}[server].take().close()
				p.close()
				h.until(func() bool { return h.live == 0 }, "the visit is over")
			}
			if c.home != "" {
				visit(c.home, 1)
				visit(stays, 0)
			}
			one, two := h.slots.Get(h.plan.Servers[0].ID), h.slots.Get(h.plan.Servers[1].ID)
			full := max(1, h.plan.Servers[1].Hard)
			one.Take(0)
			for range full {
				two.Take(0)
			}
			publish(func(p *balance.Plan) { p.Servers[0].Soft, p.Servers[1].Soft = 1, 1 })
			from(h, stays)
			from(h, goes)
			order := h.waiting()
			if len(order) != 2 {
				t.Fatalf("%v wait, want both", order)
			}
			two.Release()
			h.line.freed()
			h.calm()
			if left := h.waiting(); !slices.Equal(left, order[:1]) {
				t.Errorf("%v wait, want %v", left, order[:1])
			}
			g.take()
			one.Release()
			for range full - 1 {
				two.Release()
			}
		})
	}
}

// A server that comes back is noticed by the tick, a plan that raises a limit at once, and an operator who wants no queue any more gets none.
func TestWhatEndsTheWait(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		addr := serve(t, echo)
		r := newRig(t, poller, []string{addr, serve(t, named("b"))}, places(1, 10))
		slot, other := r.slots.Get(r.plan.Servers[0].ID), r.slots.Get(r.plan.Servers[1].ID)
		other.SetProbe(false)
		waits := func(n int) {
			t.Helper()
			until(t, func() bool { return r.balancer.Waiting() == n }, func() any { return r.balancer.Waiting() }, "in the queue", n)
		}
		publish := func(edit func(*balance.Plan)) {
			p := *r.balancer.Plan()
			p.Servers = slices.Clone(p.Servers)
			edit(&p)
			r.balancer.Publish(&p)
			r.Refresh()
		}
		slot.Take(0)
		first := r.dial()
		waits(1)
		other.SetProbe(true)
		if got, err := io.ReadAll(first); string(got) != "b" {
			t.Errorf("with the other server back the client reads %q, %v", got, err)
		}
		other.SetProbe(false)
		second := r.dial()
		waits(1)
		publish(func(p *balance.Plan) { p.Servers[0].Soft = 2 })
		io.WriteString(second, "x")
		if n, err := second.Read(make([]byte, 1)); n != 1 {
			t.Errorf("with the limit raised: %v", err)
		}
		other.Ban(1 << 62)
		third := r.dial()
		waits(1)
		publish(func(p *balance.Plan) { p.Queue = 0 })
		if got, err := io.ReadAll(third); len(got) != 0 || err != nil {
			t.Errorf("without a queue the client reads %q, %v", got, err)
		}
		r.ended(account.AtLimit, 1)
		slot.Release()
	})
}

// Many clients over several loops and few places: the limit holds, everybody is served, the loops wake each other, and nothing is left in the end.
func TestTheQueueServesACrowdOverSeveralLoops(t *testing.T) {
	const limit, crowd, visits = 2, 40, 5
	eachPoller(t, func(t *testing.T, poller string) {
		var seen peak
		r := newRig(t, poller, []string{serve(t, seen.serve)}, func(c *Config, p *balance.Plan) {
			c.Loops = 3
			places(limit, crowd)(c, p)
		})
		r.crowd(crowd, visits)
		if n := seen.most.Load(); n > limit {
			t.Errorf("the server saw %d connections at once, the limit is %d", n, limit)
		}
		if n := r.Totals().Counts[account.Queued]; n == 0 {
			t.Error("nobody had to wait: nothing was tested")
		}
		if n := r.balancer.Waiting(); n != 0 || r.Totals().Queued != 0 {
			t.Errorf("%d are counted and %d in the ledgers when none waits", n, r.Totals().Queued)
		}
		until(t, func() bool { return r.line.looking.Load() == 0 }, func() any { return r.line.looking.Load() }, "loops on their way", 0)
	})
}

// A place given back on one loop wakes the client that waits on another, and not by the tick alone: a hundred hand-overs take less than a fifth of the ticks they would.
func TestAPlaceGivenBackOnAnotherLoopWakes(t *testing.T) {
	const turns = 100
	eachPoller(t, func(t *testing.T, poller string) {
		r := newRig(t, poller, []string{serve(t, echo)}, func(c *Config, p *balance.Plan) {
			c.Loops, c.Steer = 4, SteerOff
			places(1, 10)(c, p)
		})
		hold := r.dial()
		greet := func(c net.Conn) {
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		greet(hold)
		began := time.Now()
		for range turns {
			next := r.dial()
			until(t, func() bool { return r.balancer.Waiting() == 1 }, func() any { return r.balancer.Waiting() }, "in the queue", 1)
			hold.Close()
			greet(next)
			hold = next
		}
		if took := time.Since(began); took > turns*tick/5 {
			t.Errorf("%d hand-overs took %v", turns, took)
		}
	})
}

func TestWaitingAllocatesNothing(t *testing.T) {
	f := newFarm(t)
	h := newHand(t, []string{f.addr}, places(1, 10))
	_, server := h.pair(f)
	for range 3 {
		h.arrive()
	}
	if n := testing.AllocsPerRun(100, func() {
		c := h.queue.first
		h.dequeue(c)
		h.enterState(c, connecting)
		h.wait(c)
		h.line.freed()
		h.batch(0)
	}); n != 0 {
		t.Errorf("leaving the queue and coming back allocates %v times", n)
	}
	server.close()
}
