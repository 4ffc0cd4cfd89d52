package balance

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pen/affinity"
)

// step asks once more and expects an answer and, after it, a home.
func (f *farm) step(c Client, a *Attempt, want, home string) *Server {
	f.t.Helper()
	got, s := f.ask(c, a)
	if got != want || f.home(c) != home {
		f.t.Fatalf("answer %q with home %q, want %q with %q", got, f.home(c), want, home)
	}
	return s
}

func TestANewClientHasItsHomeBeforeTheConnectEnds(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c := client("127.0.0.1")
	f.step(c, new(Attempt), "1 roundrobin", "1")
	f.step(c, new(Attempt), "1 affinity", "1") // its second connection, while the first is under way
	f.step(client("127.0.0.2"), new(Attempt), "2 roundrobin", "2")
}

func TestAHomeThatIsNotConfirmedMovesAlong(t *testing.T) {
	f := newFarm(t, Plan{Emergency: &Server{}}, make([]Server, 3)...)
	c := client("127.0.0.1")
	var a Attempt
	f.Failed(f.step(c, &a, "1 roundrobin", "1"), f.now)
	f.Failed(f.step(c, &a, "2 failover", "2"), f.now)
	f.Abandoned(f.step(c, &a, "0 failover", "0"))
	f.Failed(f.step(c, &a, "E emergency", "0"), f.now) // the emergency server is nobody's home
	f.step(c, &a, "-", "0")
}

// PEN.md B8: failover takes a client away from its home for good. Here it goes back as soon as the home is usable.
func TestAConfirmedHomeStaysThroughFailover(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c := client("127.0.0.1")
	f.visit(c)
	var a Attempt
	f.Failed(f.step(c, &a, "1 affinity", "1"), f.now)
	s := f.step(c, &a, "2 failover", "1")
	f.Connected(c, f.now, s, &a)
	f.Closed(s)
	f.step(c, new(Attempt), "2 failover", "1") // while the home is out it goes where it went
	f.now += int64(blacklist)
	f.step(c, new(Attempt), "1 affinity", "1")

	// In Pen even a try that never completed moves the client.
	_, s = f.ask(c, &a)
	f.Failed(s, f.now)
	f.Abandoned(f.step(c, &a, "2 failover", "1"))
	f.now += int64(blacklist)
	f.step(c, new(Attempt), "1 affinity", "1")
}

func TestConnectedEndsTheAttempt(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c := client("127.0.0.1")
	var a Attempt
	s := f.step(c, &a, "1 roundrobin", "1")
	f.Connected(c, f.now, s, &a)
	if a != (Attempt{}) {
		t.Error("the Attempt keeps its plan alive")
	}
	if n := f.slot("1").Connects(); n != 1 {
		t.Errorf("%d connects counted, want 1", n)
	}
}

func TestAHomeThatLeftThePlanIsReplaced(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c, other := client("127.0.0.1"), client("127.0.0.2")
	f.visit(c)
	f.visit(other)
	all := slices.Clone(f.Plan().Servers)
	f.Publish(fill(t, f.slots, Plan{}, slices.Delete(slices.Clone(all), 1, 2))) // server 2 is renumbered to place 1
	f.step(other, new(Attempt), "2 affinity", "2")
	var a Attempt
	f.Failed(f.step(c, &a, "2 roundrobin", "2"), f.now)
	f.step(c, &a, "0 failover", "0") // a home not confirmed, like any new one
	f.Publish(fill(t, f.slots, Plan{}, all))
	f.step(c, new(Attempt), "0 affinity", "0") // the old one is forgotten
}

func TestExpiredClientsAreNew(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	f.table.SetTTL(time.Minute)
	c := client("127.0.0.1")
	f.visit(c)
	f.now += int64(2 * time.Minute)
	f.step(c, new(Attempt), "2 roundrobin", "2")
}

func TestEmergencyIsNobodysHome(t *testing.T) {
	f := newFarm(t, Plan{Emergency: &Server{}}, make([]Server, 2)...)
	c := client("127.0.0.1")
	f.down("0", "1")
	var a Attempt
	s := f.step(c, &a, "E emergency", "")
	f.Connected(c, f.now, s, &a)
	f.up("0", "1")
	f.step(c, new(Attempt), "0 roundrobin", "0")
}

func TestHomeAndFailingOpen(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c, d := client("127.0.0.1"), client("127.0.0.2")
	f.visit(d)
	f.down("0", "1", "2")
	var a, b Attempt
	f.Failed(f.step(c, &a, "2 failopen", "2"), f.now) // where the algorithm would have it
	f.step(c, &a, "0 failopen", "2")                  // but not where it is only tried
	f.Failed(f.step(d, &b, "1 failopen", "1"), f.now)
	f.step(d, &b, "2 failopen", "1")
	f.up("0", "1", "2")
	f.now += int64(blacklist)
	f.step(c, new(Attempt), "2 affinity", "2")
	f.step(d, new(Attempt), "1 affinity", "1")

	// Nor does a new client settle on a server that is only tried.
	f = newFarm(t, Plan{}, Server{}, Server{Soft: 1}, Server{})
	f.down("0", "1", "2")
	f.load("1", 1)
	f.step(c, new(Attempt), "2 failopen", "")

	// A home that moved in the walk, and then one that is failed open to, later in the same Attempt.
	f = newFarm(t, Plan{}, make([]Server, 3)...)
	f.slot("1").Shun(f.now + 1)
	a = Attempt{}
	f.Failed(f.step(c, &a, "2 roundrobin", "2"), f.now)
	f.Failed(f.step(c, &a, "0 failover", "0"), f.now)
	f.step(c, &a, "1 failopen", "0")
}

// PEN.md 1.4: with -r the memory is not used. It counts all the same, and knows where the client was last when -r is taken back.
func TestRoundRobinDoesNotUseTheMemory(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c, fresh := client("127.0.0.1"), client("127.0.0.2")
	f.visit(c)
	f.Publish(fill(t, f.slots, Plan{RoundRobin: true}, make([]Server, 3)))
	f.step(c, new(Attempt), "2 roundrobin", "2")
	var a Attempt
	f.Failed(f.step(fresh, &a, "0 roundrobin", "0"), f.now)
	f.step(fresh, &a, "1 failover", "1")
	entry, _ := f.table.Peek(f.Plan().Prefix.Key(c.Addr.Addr()), f.now)
	if entry.Connects != 2 {
		t.Errorf("%d connects counted, want 2", entry.Connects)
	}
	f.slot("1").SetDrained(true)
	for range 3 {
		if got := f.visit(c); got[0] == '1' {
			t.Errorf("with -r a client gets into a drained server: %q", got)
		}
	}
	f.slot("1").SetDrained(false)
	f.Publish(fill(t, f.slots, Plan{}, make([]Server, 3)))
	f.step(c, new(Attempt), "2 affinity", "2")
	f.step(fresh, new(Attempt), "1 affinity", "1")
}

func TestDrainedServersKeepTheirOwn(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 2)...)
	c := client("127.0.0.1")
	f.visit(c)
	f.slot("1").SetDrained(true)
	f.step(c, new(Attempt), "1 affinity", "1")
	for i := range 4 {
		if got := f.visit(numbered(i)); got != "0 roundrobin" {
			t.Errorf("a new client goes to %q, want 0", got)
		}
	}
	if got := fmt.Sprint(f.walk(client("127.0.0.2"))); got != "[0 roundrobin -]" {
		t.Errorf("failover of a new client: %s", got)
	}
	f.now += int64(blacklist)
	f.down("0", "1")
	if got := fmt.Sprint(f.walk(c)); got != "[1 failopen 0 failopen -]" {
		t.Errorf("all out: %s, want home all the same", got)
	}
	f.slot("1").Ban(f.now + 1)
	if got := fmt.Sprint(f.walk(c)); got != "[0 failopen -]" {
		t.Errorf("its home banned: %s", got)
	}
}

// Two connections of a new client have both found no home; the one that claims later goes where the first has settled.
func TestTheSecondClaimGoesToTheFirstHome(t *testing.T) {
	f := newFarm(t, Plan{}, Server{}, Server{}, Server{Soft: 1, Hard: 2})
	c := client("127.0.0.1")
	key := f.Plan().Prefix.Key(c.Addr.Addr())
	f.table.Visit(key, f.now)
	a := Attempt{plan: f.current.Load(), initial: 1, turn: 1, why: RoundRobin}
	f.table.Claim(key, f.now, uint32(f.server("2").ID))
	f.load("2", 1) // beyond the soft limit: it must be known as a home
	if f.enter(Client{}, key, f.now, &a, nobody, 1) || f.slot("1").Live() != 0 {
		t.Fatalf("it stays where it is, live %d", f.slot("1").Live())
	}
	f.Failed(f.step(c, &a, "2 affinity", "2"), f.now)
	f.Failed(f.step(c, &a, "0 failover", "2"), f.now)
	f.Failed(f.step(c, &a, "1 failover", "2"), f.now)
	f.step(c, &a, "-", "2")

	// The same while failing open.
	f = newFarm(t, Plan{Emergency: &Server{}}, make([]Server, 3)...)
	f.down("0", "1", "2")
	a = Attempt{}
	s := f.step(c, &a, "E emergency", "")
	f.table.Claim(key, f.now, uint32(f.server("0").ID))
	f.Failed(s, f.now)
	f.step(c, &a, "0 failopen", "0")
	if f.slot("1").Live() != 0 {
		t.Error("the place taken first is not given back")
	}
}

func TestAHomeMovedByAnotherConnectionIsLeftAlone(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 4)...)
	c := client("127.0.0.1")
	key := f.Plan().Prefix.Key(c.Addr.Addr())
	var a Attempt
	s := f.step(c, &a, "1 roundrobin", "1")
	f.table.Move(key, uint32(f.server("1").ID), uint32(f.server("2").ID))
	f.Failed(s, f.now)
	f.Failed(f.step(c, &a, "2 failover", "2"), f.now)
	f.step(c, &a, "3 failover", "2") // the other connection may have confirmed it
}

func TestConnectionsOfANewClientAgree(t *testing.T) {
	const clients, each = 1500, 2
	f := newFarm(t, Plan{}, make([]Server, 7)...)
	for i := range clients {
		var got [each]string
		var wg sync.WaitGroup
		ready := make(chan struct{})
		for n := range each {
			wg.Go(func() {
				<-ready
				c := numbered(i)
				var a Attempt
				choice, ok := f.Choose(c, f.now, &a)
				if !ok {
					return
				}
				got[n] = choice.Server.Name
				f.Connected(c, f.now, choice.Server, &a)
				f.Closed(choice.Server)
			})
		}
		close(ready)
		wg.Wait()
		if got[0] == "" || got[0] != got[1] {
			t.Fatalf("client %d: one connection goes to %q, the other to %q", i, got[0], got[1])
		}
	}
	f.idle()
}

func TestClientsAreKnownByPrefix(t *testing.T) {
	f := newFarm(t, Plan{Prefix: affinity.Prefix{V4: 24, V6: 64}}, make([]Server, 3)...)
	f.step(client("192.0.2.1"), new(Attempt), "1 roundrobin", "1")
	f.step(client("192.0.2.99"), new(Attempt), "1 affinity", "1")
	f.step(client("::ffff:192.0.2.7"), new(Attempt), "1 affinity", "1")
	f.step(client("192.0.3.1"), new(Attempt), "2 roundrobin", "2")
	f.step(client("2001:db8::1"), new(Attempt), "0 roundrobin", "0")
	f.step(client("2001:db8::2"), new(Attempt), "0 affinity", "0")
	f.step(Client{}, new(Attempt), "1 roundrobin", "1")
	f.step(Client{}, new(Attempt), "1 affinity", "1")
}

// Moved feeds the figures of both at once, while the connection runs; its end adds the rest.
func TestBytes(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 2)...)
	c := client("127.0.0.1")
	var a Attempt
	s := f.step(c, &a, "1 roundrobin", "1")
	stay := a.Stay()
	f.Connected(c, f.now, s, &a)
	f.Moved(c, stay, s, 10, 0)
	f.Moved(c, stay, s, 5, 100)
	slot := f.slot("1")
	check := func(when string, up, down uint64) {
		t.Helper()
		entry, _ := f.table.Peek(f.Plan().Prefix.Key(c.Addr.Addr()), f.now)
		if slot.Up() != up || slot.Down() != down || entry.Up != up || entry.Down != down {
			t.Errorf("%s: server %d/%d, client %d/%d; want %d/%d for both", when, slot.Up(), slot.Down(), entry.Up, entry.Down, up, down)
		}
	}
	check("running", 15, 100)
	f.Left(c, stay, s, 1, 2)
	f.Closed(s)
	check("closed", 16, 102)
	f.Left(c, Stay{prefix: stay.prefix}, s, 1, 0) // as for one that was turned away to the abuse server
	check("turned away", 17, 102)
	f.Left(c, stay, nil, 0, 0)
	f.idle()
}

// Under -r, as in Pen, a client's home is where it was led last, by whatever way; it may pass the soft limit there, and only there.
func TestUnderRoundRobinTheHomeFollows(t *testing.T) {
	f := newFarm(t, Plan{RoundRobin: true, Emergency: &Server{}}, Server{}, Server{Soft: 1, Hard: 2}, Server{})
	c, other := client("127.0.0.1"), client("127.0.0.2")
	f.step(c, new(Attempt), "1 roundrobin", "1")
	f.step(other, new(Attempt), "2 roundrobin", "2")
	f.step(other, new(Attempt), "0 roundrobin", "0")
	f.step(c, new(Attempt), "1 roundrobin", "1") // past the soft limit
	f.slot("1").Release()
	f.step(other, new(Attempt), "2 roundrobin", "2")
	f.step(other, new(Attempt), "0 roundrobin", "0")
	f.step(other, new(Attempt), "2 failover", "2") // its turn is 1, where it was not last
	f.step(c, new(Attempt), "2 roundrobin", "2")
	f.step(c, new(Attempt), "0 roundrobin", "0")
	f.step(c, new(Attempt), "2 failover", "2") // nor was this one, any more

	// A connect that fails has led it there all the same, and what an Attempt has left behind waives nothing.
	f.step(c, new(Attempt), "2 roundrobin", "2")
	f.step(c, new(Attempt), "0 roundrobin", "0")
	f.slot("1").Release()
	f.step(c, new(Attempt), "1 roundrobin", "1")
	var a Attempt
	f.Failed(f.step(c, &a, "2 roundrobin", "2"), f.now)
	f.Failed(f.step(c, &a, "0 failover", "0"), f.now)
	f.Failed(f.step(c, &a, "E emergency", "0"), f.now) // 1 is full to it
	f.step(c, &a, "-", "0")
}

// Under -r a drained server gets nobody, also not whom it had last.
func TestUnderRoundRobinADrainedServerIsLeftAlone(t *testing.T) {
	f := newFarm(t, Plan{RoundRobin: true, Stubborn: true, PenHash: true, Hash: true}, Server{})
	c := client("127.0.0.1")
	f.step(c, new(Attempt), "0 hash", "0")
	f.slot("0").SetDrained(true)
	f.step(c, new(Attempt), "-", "0")
}

// A home in a plan gone by is replaced under -r too.
func TestUnderRoundRobinAHomeThatLeftThePlanIsReplaced(t *testing.T) {
	f := newFarm(t, Plan{RoundRobin: true}, make([]Server, 3)...)
	c := client("127.0.0.1")
	f.step(c, new(Attempt), "1 roundrobin", "1")
	plan := *f.Plan()
	plan.Servers = plan.Servers[:1]
	f.Publish(&plan)
	f.step(c, new(Attempt), "0 roundrobin", "0")
}

// Latest is what the status page calls the current server: whom Choose answered with last, whatever came of it.
func TestLatest(t *testing.T) {
	f := newFarm(t, Plan{Emergency: &Server{}}, make([]Server, 3)...)
	c := client("127.0.0.1")
	latest := func(want int) {
		t.Helper()
		if got := f.Latest(); got != want {
			t.Errorf("the latest is %d, want %d", got, want)
		}
	}
	latest(0)
	f.visit(c)
	latest(1)
	f.visit(client("127.0.0.2"))
	latest(2)
	f.visit(c) // by its home, which turns no cursor
	latest(1)
	f.walk(c)
	latest(-1)
	plan := *f.Plan()
	plan.Lists, plan.ClientACL = listed(t, 7, "deny 127.0.0.1"), 7
	plan.Abuse = plan.Emergency
	f.Publish(&plan)
	f.walk(c)
	latest(-2)
}

func TestAClientIsKnownFromItsSecondVisit(t *testing.T) {
	for name, plan := range map[string]Plan{"with homes": {}, "by round robin": {RoundRobin: true}} {
		f := newFarm(t, plan, make([]Server, 3)...)
		c := client("127.0.0.1")
		for visit := range 3 {
			var a Attempt
			f.ask(c, &a)
			f.ask(c, &a) // to the next server: that is no other visit
			if a.Known() != (visit > 0) {
				t.Errorf("%s: on visit %d the client is known: %v", name, visit, a.Known())
			}
		}
		gone := fill(t, f.slots, plan, []Server{{Name: "other"}})
		f.Publish(gone)
		var a Attempt
		if f.ask(c, &a); a.Known() {
			t.Errorf("%s: known by a server that has left the plan", name)
		}
	}
}
