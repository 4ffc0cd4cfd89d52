package loop

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// stuck is a state in which there is nothing to do, and in which a loop that gets its edges wrong would go round and round.
type stuck struct {
	name string
	make func(t *testing.T, poller string) *rig
}

// paired starts a loop and has one client connected through it.
func paired(t *testing.T, poller string, tweak func(*Config, *balance.Plan)) (r *rig, client, server *peer) {
	t.Helper()
	f := newFarm(t)
	r = newRig(t, poller, []string{f.addr}, func(c *Config, p *balance.Plan) {
		c.Loops = 1
		if tweak != nil {
			tweak(c, p)
		}
	})
	client = dialPeer(t, balance.Address{IP: r.Addr()})
	return r, client, f.take()
}

// fill writes until nothing is taken any more for a while.
func fill(p *peer) {
	some := noise(256 << 10)
	for quiet := 0; quiet < 20; {
		if p.send(some) > 0 {
			quiet = 0
			continue
		}
		quiet++
		time.Sleep(time.Millisecond) // the writer's own pace
	}
}

func stalled(name string, mode splice.Mode) stuck {
	return stuck{name, func(t *testing.T, poller string) *rig {
		r, client, server := paired(t, poller, func(c *Config, _ *balance.Plan) { c.Splice = mode })
		fill(server)
		fill(client)
		return r
	}}
}

func stuckStates(outOfDescriptors *atomic.Bool) []stuck {
	return []stuck{
		stalled("slow readers, copied", splice.Never),
		stalled("slow readers, spliced", splice.Always),
		stalled("slow readers, auto", splice.Auto),
		{"half closed", func(t *testing.T, poller string) *rig {
			r, client, _ := paired(t, poller, nil)
			client.shut()
			_, other, server := paired(t, poller, nil)
			server.shut()
			other.send([]byte("x"))
			return r
		}},
		{"a server that takes no more", func(t *testing.T, poller string) *rig {
			f := newUnixFarm(t)
			r := newRig(t, poller, []string{f.addr}, func(c *Config, _ *balance.Plan) { c.Loops = 1 })
			client := dialPeer(t, balance.Address{IP: r.Addr()})
			server := f.take()
			syscall.Shutdown(int(*server), syscall.SHUT_RD)
			client.send([]byte("for nobody"))
			return r
		}},
		{"connecting to a black hole", func(t *testing.T, poller string) *rig {
			r := newRig(t, poller, []string{blackHole(t)}, func(c *Config, _ *balance.Plan) { c.Loops = 1 })
			client := dialPeer(t, balance.Address{IP: r.Addr()})
			client.send([]byte("anybody?"))
			client.shut()
			return r
		}},
		{"in the tarpit", func(t *testing.T, poller string) *rig {
			r, _, _ := paired(t, poller, func(c *Config, p *balance.Plan) { p.Limits.Conns, p.OverLimit, c.TarpitMost = 1, balance.Tarpit, 20 })
			for range 20 {
				fill(dialPeer(t, balance.Address{IP: r.Addr()}))
			}
			r.count(account.Tarpitted, 20)
			return r
		}},
		{"limit reached", func(t *testing.T, poller string) *rig {
			r, _, _ := paired(t, poller, func(c *Config, _ *balance.Plan) { c.MaxConns, c.Loops = 1, 3 })
			for range 20 {
				dialPeer(t, balance.Address{IP: r.Addr()}).send([]byte("let me in"))
			}
			until(t, func() bool { return r.Totals().Counts[account.LimitReached] > 0 }, func() any { return 0 }, "limit_reached", "at least 1")
			return r
		}},
		{"waiting for a server that is full", func(t *testing.T, poller string) *rig {
			r, _, _ := paired(t, poller, places(1, 20))
			for range 20 {
				dialPeer(t, balance.Address{IP: r.Addr()}).send([]byte("let me in"))
			}
			until(t, func() bool { return r.balancer.Waiting() == 20 }, func() any { return r.balancer.Waiting() }, "in the queue", 20)
			return r
		}},
		{"lingering for the client", func(t *testing.T, poller string) *rig { // for at most two seconds: one of the last to be made
			r, _, server := paired(t, poller, nil)
			some := noise(64 << 10)
			for left := 2 << 20; left > 0; { // more than the client's own buffers hold, less than ours and the client's
				left -= server.send(some[:min(left, len(some))])
			}
			server.reset()
			until(t, func() bool { return lingers(r) }, func() any { return "" }, "the connection", "lingering")
			return r
		}},
		{"lingering for a client that goes on sending", func(t *testing.T, poller string) *rig {
			r, client, server := paired(t, poller, nil)
			server.send([]byte("go away"))
			server.shut()
			server.reset()
			client.send([]byte("upload"))
			until(t, func() bool { return lingers(r) }, func() any { return "" }, "the connection", "lingering")
			return r
		}},
		{"out of descriptors", func(t *testing.T, poller string) *rig {
			r := newRig(t, poller, []string{newFarm(t).addr}, func(c *Config, _ *balance.Plan) { c.Loops = 1 })
			outOfDescriptors.Store(true)
			for range 20 {
				dialPeer(t, balance.Address{IP: r.Addr()}).send([]byte("let me in"))
			}
			until(t, func() bool { return r.Totals().Counts[account.AcceptPauses] > 0 }, func() any { return 0 }, "accept_pauses", "at least 1")
			return r
		}},
	}
}

func lingers(r *rig) bool {
	seen := make(chan bool, 1)
	r.loops[0].post(func(l *Loop) {
		for _, e := range l.ends.all() {
			if e.conn.state == lingering {
				seen <- true
				return
			}
		}
		seen <- false
	})
	return <-seen
}

// PEN.md B4: a listener that stayed armed while nobody could be let in used a whole CPU. Here every state of waiting at once, for a second.
func TestWaitingUsesNoCPU(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		clearFaults(t)
		var outOfDescriptors atomic.Bool
		sys.Fault.Accept = func() syscall.Errno {
			if outOfDescriptors.Load() {
				return syscall.EMFILE
			}
			return 0
		}
		var rigs []*rig
		states := stuckStates(&outOfDescriptors)
		for _, s := range states {
			rigs = append(rigs, s.make(t, poller))
		}
		const span = time.Second
		most := span * 11 / 100 // a hundredth for each of eleven states
		if poller == "gnet" {
			most = span / 4 // each tick costs it a millisecond and a half of the Go runtime's own: its wait is one the scheduler hears of
		}
		used := usage(span)
		if t.Logf("%v of CPU in %v", used, span); used <= most {
			return
		}
		t.Errorf("%v of CPU in %v of waiting", used, span)
		for i, r := range rigs { // who was it?
			before := usage(span / 10)
			r.Stop()
			r.Wait()
			t.Logf("%s: %v before its loops were stopped, %v after, per %v", states[i].name, before, usage(span/10), span/10)
		}
	})
}

// usage measures the CPU time that the process uses in a span.
func usage(span time.Duration) time.Duration {
	before := cpuTime()
	time.Sleep(span) // what is measured
	return cpuTime() - before
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
