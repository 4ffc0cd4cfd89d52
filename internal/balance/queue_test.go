package balance

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Who is passed over for a limit, by a server that is well, may wait, and only he; then nobody is sent to servers that are held to be out.
func TestWhoMayWait(t *testing.T) {
	one := Server{Soft: 1}
	for _, c := range []struct {
		name        string
		plan        Plan
		list        []Server
		do          func(f *farm)
		want        string
		full, waits bool
	}{
		{"there is room", Plan{Queue: 1}, []Server{one}, func(*farm) {}, "0 roundrobin", false, false},
		{"full", Plan{Queue: 1}, []Server{one}, func(f *farm) { f.load("0", 1) }, "-", true, true},
		{"full, and no queue", Plan{}, []Server{one}, func(f *farm) { f.load("0", 1) }, "-", true, false},
		{"full and down", Plan{Queue: 1}, []Server{one}, func(f *farm) { f.load("0", 1); f.down("0") }, "-", false, false},
		{"one full, one down", Plan{Queue: 1}, []Server{one, {}}, func(f *farm) { f.load("0", 1); f.down("1") }, "-", true, true},
		{"one full, one down, and no queue", Plan{}, []Server{one, {}}, func(f *farm) { f.load("0", 1); f.down("1") }, "1 failopen", true, false},
		{"one full, one with room", Plan{Queue: 1, Prio: true}, []Server{one, {}}, func(f *farm) { f.load("0", 1) }, "1 failover", true, true},
		{"the emergency server has room", Plan{Queue: 1, Emergency: &Server{}}, []Server{one}, func(f *farm) { f.load("0", 1) }, "E emergency", true, true},
		{"the emergency server is full", Plan{Queue: 1, Emergency: &Server{Soft: 1}}, []Server{{}}, func(f *farm) { f.down("0"); f.load("E", 1) }, "-", true, true},
		{"full, and closed to the client", Plan{Queue: 1, Lists: listed(t, 1, "deny 10.0.0.0 255.0.0.0")}, []Server{{Soft: 1, ACL: 1}}, func(f *farm) { f.load("0", 1) }, "-", false, false},
		{"full, and the client may not come in", Plan{Queue: 1, Lists: listed(t, 1, "deny 10.0.0.0 255.0.0.0"), ClientACL: 1}, []Server{one}, func(f *farm) { f.load("0", 1) }, "-", false, false},
		{"stubborn, and its server is full", Plan{Queue: 1, Stubborn: true, Prio: true}, []Server{one, {}}, func(f *farm) { f.load("0", 1) }, "-", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm(t, c.plan, c.list...)
			c.do(f)
			var a Attempt
			if got, _ := f.ask(client("10.0.0.1"), &a); got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
			if a.Full() != c.full || a.Waits() != c.waits {
				t.Errorf("full %v, waits %v; want %v, %v", a.Full(), a.Waits(), c.full, c.waits)
			}
		})
	}
}

// A client that asks again after a wait is one visitor, goes by the plan of then, and may have what it was refused.
func TestAskingAgainIsNoVisit(t *testing.T) {
	f := newFarm(t, Plan{Queue: 1}, Server{Soft: 1})
	c := client("10.0.0.1")
	f.load("0", 1)
	var a Attempt
	for range 3 {
		if got, _ := f.ask(c, &a); got != "-" {
			t.Fatalf("served by %q", got)
		}
		a.Again()
	}
	p := *f.Plan()
	p.Servers = slices.Clone(p.Servers)
	p.Servers[0].Soft = 2
	f.Publish(&p)
	if got, s := f.ask(c, &a); got != "0 roundrobin" {
		t.Errorf("with the limit raised: %q", got)
	} else {
		f.Connected(c, f.now, s, &a)
	}
	if e, _ := f.table.Peek(p.Prefix.Key(c.Addr.Addr()), f.now); e.Connects != 1 {
		t.Errorf("%d visits are counted, want 1", e.Connects)
	}
	if f.home(c) != "0" {
		t.Errorf("home is %q", f.home(c))
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		name string
		plan Plan
		list []Server
		do   func(f *farm)
		want bool
	}{
		{"no limit", Plan{Queue: 1}, []Server{{}}, func(f *farm) { f.load("0", 9) }, true},
		{"below the limit", Plan{Queue: 1}, []Server{{Soft: 2}}, func(f *farm) { f.load("0", 1) }, true},
		{"at the limit", Plan{Queue: 1}, []Server{{Soft: 2}}, func(f *farm) { f.load("0", 2) }, false},
		{"at the limit, and no queue", Plan{}, []Server{{Soft: 2}}, func(f *farm) { f.load("0", 2) }, true},
		{"below the hard limit", Plan{Queue: 1}, []Server{{Soft: 2, Hard: 3}}, func(f *farm) { f.load("0", 2) }, true},
		{"at the hard limit", Plan{Queue: 1}, []Server{{Soft: 2, Hard: 3}}, func(f *farm) { f.load("0", 3) }, false},
		{"one full, one down", Plan{Queue: 1}, []Server{{Soft: 1}, {}}, func(f *farm) { f.load("0", 1); f.down("1") }, false},
		{"one full, one drained", Plan{Queue: 1}, []Server{{Soft: 1}, {}}, func(f *farm) { f.load("0", 1); f.slot("1").SetDrained(true) }, true},
		{"one full, one banned", Plan{Queue: 1}, []Server{{Soft: 1}, {}}, func(f *farm) { f.load("0", 1); f.slot("1").Ban(f.now + 1) }, false},
		{"none is left to wait for", Plan{Queue: 1}, []Server{{Soft: 1}, {}}, func(f *farm) { f.load("0", 1); f.down("0", "1") }, true},
		{"the emergency server has room", Plan{Queue: 1, Emergency: &Server{Soft: 1}}, []Server{{Soft: 1}}, func(f *farm) { f.load("0", 1) }, true},
		{"the emergency server is full", Plan{Queue: 1, Emergency: &Server{Soft: 1}}, []Server{{Soft: 1}}, func(f *farm) { f.load("0", 1); f.load("E", 1) }, false},
	} {
		f := newFarm(t, c.plan, c.list...)
		c.do(f)
		if got := f.Room(f.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	f := newFarm(t, Plan{Queue: 2}, Server{})
	for i, want := range []bool{true, true, false} {
		if got := f.Enqueue(); got != want {
			t.Errorf("client %d may wait: %v", i, got)
		}
	}
	f.Dequeue()
	if f.Waiting() != 1 || !f.Enqueue() {
		t.Error("a place that was given back is not to be had")
	}
}

func TestExplainTellsOfTheQueue(t *testing.T) {
	f := newFarm(t, Plan{Queue: 2, QueueTimeout: 3 * time.Second, Prio: true}, Server{Soft: 1}, Server{Prio: 1})
	c := client("10.0.0.1")
	f.load("0", 1)
	answer := func() string { lines := f.lines(c); return strings.Join(lines[max(0, len(lines)-2):], "; ") }
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "then: if the connect to it fails: the queue; answer: server 1 1 at 10.0.0.1:80 (failover)"},
		{func() { f.down("1"); f.Enqueue() }, "answer: nobody yet: the servers that would do are full, and the client would wait in the queue (1 of 2 wait) for 3s at most"},
		{func() { f.Enqueue() }, "answer: nobody: the servers that would do are full, and so is the queue (2 of 2 wait): the client is closed"},
	} {
		step.do()
		if got := answer(); !strings.HasSuffix(got, step.want) {
			t.Errorf("got  %s\nwant %s", got, step.want)
		}
	}
}
