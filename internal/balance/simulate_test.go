package balance

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/backend"
)

// crowd is many clients, of whom every second one has connections open, and where each is.
type crowd struct {
	*farm
	down    map[backend.ID]bool // who refuses
	clients []Client
	held    map[netip.Addr][]Open
	is      map[netip.Addr]string // the server, "" for nowhere
}

func newCrowd(t *testing.T, clients int, plan Plan, servers ...Server) *crowd {
	t.Helper()
	c := &crowd{farm: &farm{t: t, now: start}, down: map[backend.ID]bool{}, held: map[netip.Addr][]Open{}, is: map[netip.Addr]string{}}
	table, err := affinity.New(2*clients, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	slots := backend.NewSlots()
	c.Balancer = New(slots, table, fill(t, slots, plan, servers))
	for i := range clients {
		who := Client{netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(1 + i%97), 0, byte(i >> 8), byte(i)}), 1024)} // the first octet is what the old hash sees
		c.clients = append(c.clients, who)
		if i%2 == 1 {
			c.is[who.Addr.Addr()] = c.come(who)
			continue
		}
		c.is[who.Addr.Addr()] = c.stay(who)
		if i%4 == 0 {
			c.stay(who)
		}
	}
	return c
}

// connect is one connection, to whoever takes it.
func (c *crowd) connect(who Client) *Server {
	var a Attempt
	for {
		choice, ok := c.Choose(who, c.now, &a)
		if !ok {
			return nil
		}
		if !c.down[choice.Server.ID] {
			c.Connected(who, c.now, choice.Server, &a)
			return choice.Server
		}
		c.Failed(choice.Server, c.now)
	}
}

func (c *crowd) come(who Client) string {
	s := c.connect(who)
	if s == nil {
		return ""
	}
	c.Closed(s)
	return s.Name
}

func (c *crowd) stay(who Client) string {
	s := c.connect(who)
	if s == nil {
		return ""
	}
	c.held[who.Addr.Addr()] = append(c.held[who.Addr.Addr()], Open{who, s})
	return s.Name
}

// open is the list of open connections.
func (c *crowd) open() (all []Open) {
	for _, who := range c.clients {
		all = append(all, c.held[who.Addr.Addr()]...)
	}
	return all
}

// refresh has those come who have no connection open: where they are led may have changed since they were there, as limits have filled.
func (c *crowd) refresh() {
	for e := range c.table.Each {
		if addr := e.Key.Addr(); c.held[addr] == nil {
			who := Client{netip.AddrPortFrom(addr, 0)}
			if c.is[addr] = c.come(who); c.Plan().RoundRobin {
				c.is[addr] = c.home(who) // not the emergency server: that is nobody's
			}
		}
	}
}

// comeBack has everybody come back in the order of the table, and returns who went from where to where.
func (c *crowd) comeBack() (clients, connections map[[2]string]int, load map[string][2]int) {
	var order []netip.Addr
	for e := range c.table.Each {
		order = append(order, e.Key.Addr())
	}
	clients, connections, load = map[[2]string]int{}, map[[2]string]int{}, map[string][2]int{}
	for _, addr := range order {
		who := Client{netip.AddrPortFrom(addr, 0)}
		held := c.held[addr]
		delete(c.held, addr)
		for _, h := range held {
			c.Closed(h.Server)
		}
		to := ""
		if held == nil {
			to = c.come(who)
		}
		for i, h := range held {
			on := c.stay(who)
			if h.Server.Name != on {
				connections[[2]string{h.Server.Name, on}]++
			}
			l := load[on]
			l[1]++
			if load[on] = l; i == 0 {
				to = on
			}
		}
		if from := c.is[addr]; from != to {
			clients[[2]string{from, to}]++
		}
		c.is[addr] = to
		l := load[to]
		l[0]++
		load[to] = l
	}
	return clients, connections, load
}

func matrix(m Movement) map[[2]string]int {
	all := map[[2]string]int{}
	for _, v := range m.Moves {
		all[[2]string{v.From.Name, v.To.Name}] += v.Count
	}
	return all
}

// foretells makes the supposition come true and holds the prediction against what then happens.
func (c *crowd) foretells(what string, then Supposition) (moved int) {
	c.t.Helper()
	if then.Plan == nil {
		then.Plan = c.Plan()
	}
	c.refresh()
	before := c.facts()
	s, err := c.Simulate(c.now, c.open(), then)
	if err != nil {
		c.t.Fatal(err)
	}
	c.same(before, "simulating "+what)
	for i := range then.Plan.Servers {
		c.claim(then.Plan.Servers[i].Name)
	}
	for _, e := range then.Edits {
		e.Change(c.slots.Get(e.ID))
	}
	c.down = then.Down
	c.Publish(then.Plan)
	clients, connections, load := c.comeBack()
	if got := matrix(s.Clients); !maps.Equal(got, clients) {
		c.t.Errorf("%s: clients move %v, predicted %v", what, clients, got)
	}
	if got := matrix(s.Connections); !maps.Equal(got, connections) {
		c.t.Errorf("%s: connections move %v, predicted %v", what, connections, got)
	}
	for _, l := range s.Servers {
		if got := load[l.Name]; got != [2]int{l.ClientsThen, l.ConnectionsThen} {
			c.t.Errorf("%s: server %q has %v clients and connections, predicted %d and %d", what, l.Name, got, l.ClientsThen, l.ConnectionsThen)
		}
		delete(load, l.Name)
	}
	if len(load) != 0 {
		c.t.Errorf("%s: load %v is not predicted", what, load)
	}
	if s.Clients.Total != len(c.clients) {
		c.t.Errorf("%s: %d clients, want %d", what, s.Clients.Total, len(c.clients))
	}
	return s.Clients.Moved + s.Connections.Moved
}

// edited is the plan in force with a change.
func (c *crowd) edited(change func(*Plan)) *Plan {
	p := *c.Plan()
	p.Servers = slices.Clone(p.Servers)
	change(&p)
	return &p
}

// The predicted moves are the real ones, whatever the algorithm and the event. The events follow on each other, each from where the last has led.
func TestTheFutureIsAsPredicted(t *testing.T) {
	all := plans()
	all["-r"], all["-r, prio"] = Plan{RoundRobin: true}, Plan{RoundRobin: true, Prio: true}
	for name, plan := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := []Server{{Weight: 1, Prio: 3}, {Weight: 3, Prio: 1}, {Weight: 2, Prio: 2}, {Weight: 2, Prio: 3, Soft: 150, Hard: 200}}
			plan.Emergency = &Server{}
			c := newCrowd(t, 1000, plan, servers...)
			id := func(i int) backend.ID { return c.Plan().Servers[i].ID }
			slot := func(i int, change func(*backend.Slot)) []SlotEdit { return []SlotEdit{{id(i), change}} }
			var moved []int
			note := func(n int) { moved = append(moved, n) }
			note(c.foretells("nothing", Supposition{}))
			note(c.foretells("server 1 down", Supposition{Edits: slot(1, func(s *backend.Slot) { s.SetProbe(false) }), Down: map[backend.ID]bool{id(1): true}}))
			note(c.foretells("server 1 up", Supposition{Edits: slot(1, func(s *backend.Slot) { s.SetProbe(true); s.Forgive() })}))
			note(c.foretells("server 2 drained", Supposition{Edits: slot(2, func(s *backend.Slot) { s.SetDrained(true) })}))
			note(c.foretells("server 1 refuses before its checks tell", Supposition{Down: map[backend.ID]bool{id(1): true}}))
			note(c.foretells("server 0 banned", Supposition{Edits: slot(0, func(s *backend.Slot) { s.Ban(c.now + int64(time.Hour)) })}))
			note(c.foretells("all well", Supposition{Edits: append(slot(0, func(s *backend.Slot) { s.Ban(0) }),
				append(slot(1, func(s *backend.Slot) { s.Forgive() }), slot(2, func(s *backend.Slot) { s.SetDrained(false) })...)...)}))
			note(c.foretells("server 2 removed", Supposition{Plan: c.edited(func(p *Plan) { p.Servers[2] = Server{} })}))
			note(c.foretells("server 0 has another weight, prio and limit", Supposition{Plan: c.edited(func(p *Plan) { p.Servers[0].Weight, p.Servers[0].Prio, p.Servers[0].Soft = 9, 0, 100 })}))
			claim := c.slots.Suppose()
			fresh, err := claim("fresh")
			if err != nil {
				t.Fatal(err)
			}
			note(c.foretells("a file with another order, a new server and one that returns", Supposition{Plan: c.edited(func(p *Plan) {
				old := p.Servers
				back := Server{ID: 3, Name: "2", Addr: old[0].Addr, Weight: 2}
				p.Servers = []Server{back, old[3], {ID: fresh, Name: "fresh", Addr: old[1].Addr, Weight: 4}, old[0]}
			})}))
			c.leave()
			if moved[1] == 0 {
				t.Errorf("moved: %v; the test shows nothing", moved)
			}
			t.Log("moved:", moved)
		})
	}
}

// claim takes a slot for good, as Apply does for a server that is new.
func (c *crowd) claim(identity string) {
	if identity == "" {
		return
	}
	if _, err := c.slots.Claim(identity); err != nil {
		c.t.Fatal(err)
	}
}

// What is one client and how long one is remembered may change, too.
func TestSimulateAnotherMemory(t *testing.T) {
	c := newCrowd(t, 1000, Plan{}, make([]Server, 3)...)
	s, err := c.Simulate(c.now+int64(time.Minute), c.open(), Supposition{Plan: c.Plan(), Tracking: 30 * time.Second})
	if err != nil || s.Clients.Moved == 0 {
		t.Errorf("everybody is forgotten, and %+v move, %v", s.Clients, err)
	}
	if s, err = c.Simulate(c.now+int64(time.Minute), c.open(), Supposition{Plan: c.Plan(), Tracking: time.Hour}); err != nil || s.Clients.Moved != 0 {
		t.Errorf("nobody is forgotten, and %+v move, %v", s.Clients, err)
	}
	// The 1000 clients are of four networks. Their homes are those of whole addresses, of which 172.0.0.0 is one.
	coarse := c.edited(func(p *Plan) { p.Prefix = affinity.Prefix{V4: 24, V6: 64} })
	c.foretells("networks", Supposition{Plan: coarse})
	c.leave()
}

// 10 000 clients and 7 500 connections, and a server that goes and comes back.
func TestTenThousandMoveAsPredicted(t *testing.T) {
	for name, plan := range map[string]Plan{"RoundRobin": {}, "Hash": {Hash: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, 10_000, plan, weighted(5)...)
			id := c.Plan().Servers[2].ID
			probe := func(up bool) []SlotEdit {
				return []SlotEdit{{id, func(s *backend.Slot) { s.SetProbe(up); s.Forgive() }}}
			}
			away := c.foretells("server 2 down", Supposition{Edits: probe(false), Down: map[backend.ID]bool{id: true}})
			home := c.foretells("server 2 up", Supposition{Edits: probe(true)})
			if c.leave(); away == 0 || home != away {
				t.Errorf("%d clients and connections move away and %d come home", away, home)
			}
			t.Logf("%d clients and connections move away and home again", away)
		})
	}
}

// leave ends all connections and sees that none is left.
func (c *crowd) leave() {
	c.t.Helper()
	for _, h := range c.open() {
		c.Closed(h.Server)
	}
	c.idle()
}

// Connections on servers that have left, of clients that are forgotten, and live ones that the list does not have.
func TestSimulateTheRest(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	gone := Server{ID: 0, Name: "gone", Addr: f.Plan().Servers[0].Addr}
	var err error
	if gone.ID, err = f.slots.Claim("gone"); err != nil {
		t.Fatal(err)
	}
	f.slots.Get(gone.ID).Take(0)
	f.load("1", 2)
	s, err := f.Simulate(f.now, []Open{{client("10.0.0.1"), &gone}, {client("10.0.0.2"), f.server("1")}}, Supposition{Plan: f.Plan()})
	if err != nil {
		t.Fatal(err)
	}
	want := "[{server 1 1 server 2 2 1} {the former server gone server 1 1 1}]"
	if got := fmt.Sprint(s.Connections.Moves); got != want {
		t.Errorf("moves %s, want %s", got, want)
	}
	var load []string
	for _, l := range s.Servers {
		load = append(load, fmt.Sprint(l.Place, " ", l.ClientsNow, l.ClientsThen, l.ConnectionsNow, l.ConnectionsThen))
	}
	if got, want := strings.Join(load, "; "), "server 0 0 0 0 0 0; server 1 1 1 1 1 1; server 2 2 0 1 0 1; the former server gone 1 0 1 0"; got != want {
		t.Errorf("load %s, want %s", got, want)
	}
	f.slots.Get(gone.ID).Release()
}
