package balance

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

func TestAttemptIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Attempt{}); n != 32 {
		t.Errorf("an Attempt is %d bytes, want 32", n)
	}
}

// What a client is answered that is refused everywhere, in order. PEN.md 1.5 as far as the emergency server; then fail open.
func TestWalk(t *testing.T) {
	four := make([]Server, 4)
	one := make([]Server, 1)
	with := Plan{Emergency: &Server{}}
	for _, c := range []struct {
		name    string
		plan    Plan
		servers []Server
		before  func(*farm)
		want    string
	}{
		{"index+1, +2 … mod n, each once", Plan{}, four, nil, "1 roundrobin, 2 failover, 3 failover, 0 failover, -"},
		{"from the home", Plan{}, four, func(f *farm) { f.visit(client("127.0.0.9")); f.visit(client("127.0.0.1")) },
			"2 affinity, 3 failover, 0 failover, 1 failover, -"},
		{"one server", Plan{}, one, nil, "0 roundrobin, -"},
		{"then the emergency server", with, four[:2], nil, "1 roundrobin, 0 failover, E emergency, -"},
		{"no servers but the emergency server", with, nil, nil, "E emergency, -"},
		{"banned and drained servers are passed over", Plan{}, four, func(f *farm) { f.slot("2").Ban(f.now + 1); f.slot("3").SetDrained(true) },
			"1 roundrobin, 0 failover, -"},
		{"full servers are passed over", Plan{}, []Server{{}, {}, {Soft: 1}, {}}, func(f *farm) { f.load("2", 1) },
			"1 roundrobin, 3 failover, 0 failover, -"},

		{"fail open: all down", Plan{}, four, func(f *farm) { f.down("0", "1", "2", "3") },
			"1 failopen, 2 failopen, 3 failopen, 0 failopen, -"},
		{"fail open: only those not tried", Plan{}, four, func(f *farm) { f.down("2"); f.slot("0").Shun(f.now + 1) },
			"1 roundrobin, 3 failover, 2 failopen, 0 failopen, -"},
		{"fail open: after the emergency server", with, four[:2], func(f *farm) { f.down("0", "1") },
			"E emergency, 1 failopen, 0 failopen, -"},
		{"fail open: the emergency server last", with, four[:2], func(f *farm) { f.down("0", "1", "E") },
			"1 failopen, 0 failopen, E failopen, -"},
		{"fail open: the emergency server when it is all there is", with, nil, func(f *farm) { f.down("E") }, "E failopen, -"},
		{"fail open: from the home", Plan{}, four, func(f *farm) { f.visit(client("127.0.0.9")); f.visit(client("127.0.0.1")); f.down("0", "1", "2", "3") },
			"2 failopen, 3 failopen, 0 failopen, 1 failopen, -"},
		{"fail open: the operator's word binds", with, four, func(f *farm) {
			f.down("0", "1", "2", "3", "E")
			f.slot("1").SetDrained(true)
			f.slot("2").Ban(f.now + 1)
			f.slot("E").Ban(f.now + 1)
		}, "3 failopen, 0 failopen, -"},
		{"fail open: limits bind", Plan{}, []Server{{}, {Soft: 1}, {}}, func(f *farm) { f.down("0", "1", "2"); f.load("1", 1) },
			"2 failopen, 0 failopen, -"},
		{"fail open keeps the algorithm: prio", Plan{Prio: true}, []Server{{Prio: 3}, {Prio: 2}, {Prio: 1}}, func(f *farm) { f.down("0", "1", "2") },
			"2 failopen, 0 failopen, 1 failopen, -"},
		{"nobody but the operator's word: nobody", with, four[:2], func(f *farm) {
			f.slot("0").Ban(f.now + 1)
			f.slot("1").SetDrained(true)
			f.slot("E").SetDrained(true)
		}, "-"},

		{"stubborn", Plan{Stubborn: true, Emergency: &Server{}}, four, nil, "1 roundrobin, -"},
		{"stubborn: not past a home that is out", Plan{Stubborn: true, Emergency: &Server{}}, four, func(f *farm) { f.visit(client("127.0.0.1")); f.down("1") }, "-"},
		{"stubborn: no failing open", Plan{Stubborn: true, Emergency: &Server{}}, four, func(f *farm) { f.down("0", "1", "2", "3") }, "-"},
		{"stubborn: nobody to begin with", Plan{Stubborn: true, Weight: true, Emergency: &Server{}}, four, nil, "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm(t, c.plan, c.servers...)
			if c.before != nil {
				c.before(f)
			}
			if got := strings.Join(f.walk(client("127.0.0.1")), ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestFalseIsFinal(t *testing.T) {
	for _, plan := range []Plan{{}, {Stubborn: true}, {Emergency: &Server{}}} {
		f := newFarm(t, plan, make([]Server, 2)...)
		var a Attempt
		for {
			_, s := f.ask(client("127.0.0.1"), &a)
			if s == nil {
				break
			}
			f.Failed(s, f.now)
		}
		f.now += int64(blacklist) // all would be usable again
		for range 3 {
			if got, _ := f.ask(client("127.0.0.1"), &a); got != "-" {
				t.Errorf("an Attempt that is over answers %q", got)
			}
		}
		f.idle()
	}
}

// PEN.md 1.5, 1.6: one failed connect keeps a server out for the blacklist time, and it ends by time.
func TestAFailedConnectShuns(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 2)...)
	c := client("127.0.0.1")
	f.visit(c)
	var a Attempt
	_, s := f.ask(c, &a)
	f.Failed(s, f.now)
	slot := f.slot("1")
	if slot.Failures() != 1 || slot.LastFailure() != f.now || slot.ShunnedUntil() != f.now+int64(blacklist) || slot.Live() != 0 {
		t.Errorf("failures %d, last %d, shunned until %d, live %d", slot.Failures(), slot.LastFailure()-start, slot.ShunnedUntil()-start, slot.Live())
	}
	f.now += int64(blacklist) - 1
	if got := f.visit(c); got != "0 failover" {
		t.Errorf("1 ns before the end: %q, want failover", got)
	}
	f.now++
	if got := f.visit(c); got != "1 affinity" {
		t.Errorf("at the end: %q, want back home", got)
	}
	_, s = f.ask(c, &a)
	f.Abandoned(s)
	if f.visit(c) != "1 affinity" || slot.Failures() != 1 {
		t.Error("a connect that was given up is held against the server")
	}
}

// In a plan larger than an Attempt's memory the walk is exact all the same; only failing open may leave some out.
func TestWalkOfALargePlan(t *testing.T) {
	const n = 2*triedBits + 5
	f := newFarm(t, Plan{}, make([]Server, n)...)
	for i := 0; i < n; i += 10 {
		f.down(fmt.Sprint(i))
	}
	got := f.walk(client("127.0.0.1"))
	seen := map[string]bool{}
	var walked, opened int
	for i, answer := range got[:len(got)-1] {
		name, why, _ := strings.Cut(answer, " ")
		if seen[name] {
			t.Fatalf("answer %d: server %s a second time", i, name)
		}
		seen[name] = true
		if why == "failopen" {
			opened++
		} else if walked++; opened > 0 {
			t.Fatalf("answer %d: %s after failing open", i, answer)
		}
	}
	if downs := (n + 9) / 10; walked != n-downs {
		t.Errorf("%d servers in the walk, want %d", walked, n-downs)
	}
	f = newFarm(t, Plan{}, make([]Server, n)...)
	for i := range n {
		f.down(fmt.Sprint(i))
	}
	if got := len(f.walk(client("127.0.0.1"))) - 1; got != n {
		t.Errorf("all down: %d of %d are tried", got, n)
	}
}

func TestAWalkAllocatesNothing(t *testing.T) {
	f := newFarm(t, Plan{Emergency: &Server{}}, make([]Server, 16)...)
	f.down("1", "2", "3")
	var i int
	if allocs := testing.AllocsPerRun(20, func() {
		i++
		f.now += 2 * int64(blacklist)
		var a Attempt
		tried := 0
		for choice, ok := f.Choose(numbered(i), f.now, &a); ok; choice, ok = f.Choose(numbered(i), f.now, &a) {
			f.Failed(choice.Server, f.now)
			tried++
		}
		if tried != 17 {
			t.Fatalf("%d servers tried, want 17", tried)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
