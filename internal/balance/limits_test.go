package balance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// PEN.md 1.4, try: reject if soft != 0 and live >= soft and (not this client's home or live >= hard).
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		soft, hard, live int
		home             bool
		want             bool
	}{
		{0, 0, 99, false, true}, // no limit
		{0, 5, 99, false, true}, // hard alone means nothing
		{0, 5, 99, true, true},
		{3, 0, 2, false, true},
		{3, 0, 3, false, false},
		{3, 0, 2, true, true},
		{3, 0, 3, true, false}, // soft alone binds everybody
		{3, 5, 2, false, true},
		{3, 5, 3, false, false}, // strangers end at soft
		{3, 5, 3, true, true},
		{3, 5, 4, true, true},
		{3, 5, 5, true, false}, // those at home at hard
		{3, 2, 2, true, true},
		{3, 2, 3, true, false}, // hard below soft: soft
	} {
		f := newFarm(t, Plan{}, Server{Soft: c.soft, Hard: c.hard})
		f.load("0", c.live)
		s, slot := f.server("0"), f.slot("0")
		waived := waiver(0)
		if c.home {
			waived = softLimit
		}
		if got := try(s, slot, f.now, waived) == none; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		want := int32(c.live)
		if c.want {
			want++
		}
		if slot.Live() != want {
			t.Errorf("%+v: %d live, want %d", c, slot.Live(), want)
		}
	}
}

func TestHardLimitIsForThoseAtHome(t *testing.T) {
	f := newFarm(t, Plan{}, Server{}, Server{Soft: 1, Hard: 2})
	known, stranger := client("127.0.0.1"), client("127.0.0.2")
	if got := f.visit(known); got != "1 roundrobin" {
		t.Fatalf("the first client goes to %q", got)
	}
	for i, c := range []struct {
		who  Client
		want string
	}{{known, "1 affinity"}, {stranger, "0 roundrobin"}, {known, "1 affinity"}, {known, "0 failover"}} {
		if got, _ := f.ask(c.who, new(Attempt)); got != c.want {
			t.Errorf("connection %d: %q, want %q", i, got, c.want)
		}
	}
	if f.home(known) != "1" {
		t.Errorf("a full house moved the client's home to %q", f.home(known))
	}
}

// PEN.md B17: a connect that never completes neither leaks nor gives back too much, and counts from the choice.
func TestCountsDoNotDrift(t *testing.T) {
	f := newFarm(t, Plan{RoundRobin: true}, Server{Soft: 2})
	c := client("127.0.0.1")
	for round := range 50 {
		var a, b Attempt
		_, first := f.ask(c, &a)
		_, second := f.ask(c, &b)
		if got, _ := f.ask(c, new(Attempt)); first == nil || second == nil || got != "-" {
			t.Fatalf("round %d: a third connection goes to %q past a limit of 2", round, got)
		}
		switch round % 3 {
		case 0:
			f.Abandoned(first)
		case 1:
			f.Failed(first, f.now)
			f.slot("0").Forgive()
		case 2:
			f.Connected(c, f.now, first, &a)
			f.Closed(first)
		}
		f.Abandoned(second)
		f.idle()
	}
}

func TestNoLoopPassesALimit(t *testing.T) {
	const loops, rounds, soft, hard = 6, 800, 2, 4
	f := newFarm(t, Plan{}, Server{Soft: soft, Hard: hard}, Server{Soft: soft, Hard: hard})
	known := client("127.0.0.1") // all loops serve it, so that the hard limit is reached
	f.visit(known)
	var over, served atomic.Int64
	var wg sync.WaitGroup
	for l := range loops {
		wg.Go(func() {
			for i := range rounds {
				c := known
				if i%2 == 0 {
					c = numbered(l*rounds + i)
				}
				var a Attempt
				choice, ok := f.Choose(c, f.now, &a)
				if !ok {
					continue
				}
				served.Add(1)
				for n := range 2 {
					if f.slot(fmt.Sprint(n)).Live() > hard {
						over.Add(1)
					}
				}
				f.Connected(c, f.now, choice.Server, &a)
				f.Closed(choice.Server)
			}
		})
	}
	wg.Wait()
	if over.Load() != 0 || served.Load() == 0 {
		t.Errorf("%d times over the hard limit, %d served; want 0, many", over.Load(), served.Load())
	}
	f.idle()
}
