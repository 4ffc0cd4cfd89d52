package balance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pen/affinity"
)

// came is a connection that a client has made and that lasts.
type came struct {
	c    Client
	stay Stay
	s    *Server
}

// come makes a connection that lasts, or shows "-" and the refusal.
func (f *farm) come(c Client) (string, came) {
	var a Attempt
	got, s := f.ask(c, &a)
	stay := a.Stay()
	if s == nil {
		got += " " + a.Refusal().String()
	} else {
		f.Connected(c, f.now, s, &a)
	}
	return got, came{c, stay, s}
}

func (f *farm) leave(l came) {
	f.Left(l.c, l.stay, l.s, 0, 0)
	if l.s != nil {
		f.Closed(l.s)
	}
}

func (f *farm) comes(c Client, want string) came {
	f.t.Helper()
	got, l := f.come(c)
	if got != want {
		f.t.Fatalf("%v gets %q, want %q", c.Addr.Addr(), got, want)
	}
	return l
}

func (f *farm) live(c Client) int {
	entry, _ := f.table.Peek(f.Plan().Prefix.Key(c.Addr.Addr()), f.now)
	return int(entry.Live)
}

const tooMany, tooFast = "- has as many connections as it may", "- makes connections faster than it may"

func TestLiveConnectionsOfOneClient(t *testing.T) {
	for _, roundRobin := range []bool{false, true} {
		f := newFarm(t, Plan{Limits: affinity.Limits{Conns: 2}, RoundRobin: roundRobin}, make([]Server, 1)...)
		one, two := client("10.0.0.1"), client("10.0.0.2")
		why := "0 affinity"
		if roundRobin {
			why = "0 roundrobin"
		}
		first := f.comes(one, "0 roundrobin")
		f.comes(one, why)
		for range 3 {
			f.leave(f.comes(one, tooMany)) // a refused one was not counted in: leaving makes no room
		}
		f.comes(two, "0 roundrobin")
		f.leave(first)
		f.comes(one, why)
		f.comes(one, tooMany)
		if f.live(one) != 2 || f.live(two) != 1 {
			t.Errorf("%d and %d live, want 2 and 1", f.live(one), f.live(two))
		}
	}
}

func TestRateOfOneClient(t *testing.T) {
	f := newFarm(t, Plan{Limits: affinity.Limits{Rate: affinity.Rate{Count: 2, Per: 1, Burst: 3}}}, make([]Server, 1)...)
	one := client("10.0.0.1")
	served := 0
	for range 1001 { // ten seconds and the first instant, 100 a second
		if got, l := f.come(one); l.s != nil {
			served++
			f.leave(l)
		} else if got != tooFast {
			t.Fatalf("refused as %q", got)
		}
		f.now += int64(10 * time.Millisecond)
	}
	if served != 3+20 {
		t.Errorf("%d served in 10 s, want a burst of 3 and 2 a second", served)
	}
	f.comes(client("10.0.0.2"), "0 roundrobin")
}

func TestWhoIsExempt(t *testing.T) {
	plan := Plan{Limits: affinity.Limits{Conns: 1}, Exempting: true, ExemptACL: 3, Lists: listed(t, 3, "permit 10.0.0.0 255.255.255.0")}
	f := newFarm(t, plan, make([]Server, 1)...)
	for range 3 {
		f.comes(client("10.0.0.1"), map[bool]string{true: "0 roundrobin", false: "0 affinity"}[f.live(client("10.0.0.1")) == 0])
	}
	f.comes(client("10.0.1.1"), "0 roundrobin")
	f.comes(client("10.0.1.1"), tooMany)
	p := *f.Plan()
	p.Exempting = false
	f.Publish(&p)
	f.comes(client("10.0.0.1"), tooMany) // they were counted all the same
}

func TestOverTheLimitToTheAbuseServer(t *testing.T) {
	abuse := &Server{Name: "A", Soft: 2}
	f := newFarm(t, Plan{Limits: affinity.Limits{Conns: 1}, OverLimit: ToAbuse}, make([]Server, 2)...)
	complete(t, f.slots, abuse, "A", 1<<13)
	p := *f.Plan()
	p.Abuse = abuse
	f.Publish(&p)
	one := client("10.0.0.1")
	f.comes(one, "1 roundrobin")
	there := f.comes(one, "A abuse")
	f.comes(one, "A abuse")
	f.comes(one, tooMany) // there neither
	if f.leave(there); f.live(one) != 1 {
		t.Errorf("%d live, want 1: who is with the abuse server was never counted in", f.live(one))
	}
	var a Attempt
	if got, s := f.ask(one, &a); got != "A abuse" {
		t.Errorf("goes to %s", got)
	} else if f.Failed(s, f.now); a.Refusal() != TooMany {
		t.Errorf("refused as %v", a.Refusal())
	} else if got, _ := f.ask(one, &a); got != "-" {
		t.Errorf("goes on to %s when the abuse server fails", got)
	}
	for _, answer := range []Answer{Reject, Tarpit} {
		q := p
		q.OverLimit = answer
		f.Publish(&q)
		f.comes(one, tooMany)
	}
	f.comes(client("10.0.0.2"), "0 roundrobin")
}

// Who may not come in is not counted in: it would be spared when the table is full.
func TestDeniedIsNotCountedIn(t *testing.T) {
	f := newFarm(t, Plan{Lists: listed(t, 1, "deny 10.0.0.1"), ClientACL: 1, Limits: affinity.Limits{Conns: 1}}, make([]Server, 1)...)
	for range 3 {
		f.leave(f.comes(client("10.0.0.1"), "- may not come in"))
	}
	if entry, known := f.table.Peek(f.Plan().Prefix.Key(client("10.0.0.1").Addr.Addr()), f.now); !known || entry.Connects != 3 || entry.Live != 0 {
		t.Errorf("entry %+v, known %t", entry, known)
	}
}

// A connection is counted out of the client that it was counted in to, whoever is one client by then.
func TestPrefixChangesUnderway(t *testing.T) {
	f := newFarm(t, Plan{Limits: affinity.Limits{Conns: 2}}, make([]Server, 1)...)
	one := client("10.0.0.1")
	old := f.comes(one, "0 roundrobin")
	p := *f.Plan()
	p.Prefix.V4 = 24
	f.Publish(&p)
	f.comes(one, "0 roundrobin")
	f.comes(client("10.0.0.9"), "0 affinity") // a network is one client
	f.comes(client("10.0.0.7"), tooMany)
	f.leave(old)
	f.comes(one, tooMany)
	p.Prefix.V4 = 32
	f.Publish(&p)
	if f.live(one) != 0 {
		t.Errorf("%d live, want 0", f.live(one))
	}
}

func TestPlanWithLimitsThatCannotBe(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 1)...)
	for want, change := range map[string]func(*Plan){
		"client limits: 70000 connections": func(p *Plan) { p.Limits.Conns = 70_000 },
		"client limits: rate 5/s:0":        func(p *Plan) { p.Limits.Rate = affinity.Rate{Count: 5, Per: 1} },
		"answer 3":                         func(p *Plan) { p.OverLimit = 3 },
	} {
		p := *f.Plan()
		if change(&p); p.Validate() == nil || !strings.Contains(p.Validate().Error(), want) {
			t.Errorf("%v, want %q", p.Validate(), want)
		}
	}
}

// A simulation has all clients come at once: that is no reason to refuse any.
func TestSimulationKnowsNoLimits(t *testing.T) {
	f := newFarm(t, Plan{Limits: affinity.Limits{Conns: 3, Rate: affinity.Rate{Count: 1, Per: 60, Burst: 3}}}, make([]Server, 2)...)
	var open []Open
	for range 3 {
		_, l := f.come(client("10.0.0.1"))
		open = append(open, Open{l.c, l.s})
	}
	before := slices.Collect(f.table.Each)
	s, err := f.Simulate(f.now, open, Supposition{Plan: f.Plan()})
	if err != nil || s.Connections.Total != 3 || s.Connections.Moved != 0 || s.Clients.Moved != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if after := slices.Collect(f.table.Each); !slices.Equal(before, after) {
		t.Errorf("it changed %+v to %+v", before, after)
	}
}
