package balance

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"pen/affinity"
	"pen/internal/backend"
)

// Supposition is what Simulate is to suppose.
type Supposition struct {
	Plan     *Plan               // in force then: valid, with ids from backend.Slots.Suppose for servers that are new
	Tracking time.Duration       // how long a client is remembered then; 0 = for ever
	Edits    []SlotEdit          // made one after the other
	Down     map[backend.ID]bool // nobody can connect there
}

// SlotEdit is a change to what is known about a server.
type SlotEdit struct {
	ID     backend.ID
	Change func(*backend.Slot) // called with a copy of the slot
}

// Open is one open connection: a client, and the server it is on.
type Open struct {
	Client Client
	Server *Server // of the plan that it began by
}

// Place is a server as the operator knows it. Those that the supposed plan has go by their number there, those that it loses by their old one.
type Place struct {
	Number int // NoNumber: one that left the plan before, or, without a name, nowhere: the client is closed
	Name   string
}

// String returns the words for it.
func (p Place) String() string { return Called(p.Number, p.Name) }

// Move is how many go from one place to another.
type Move struct {
	From, To Place
	Count    int
}

// Movement is what becomes of many.
type Movement struct {
	Total, Moved int
	Moves        []Move // the most numerous first
}

// Load is who is on a server, now and then. Clients count where they are led, if they come at all.
type Load struct {
	Place
	ClientsNow, ClientsThen, ConnectionsNow, ConnectionsThen int
}

// Simulation is what would become of the clients that are known and of the connections that are open.
type Simulation struct {
	Clients, Connections Movement
	Servers              []Load // by number, the emergency and the abuse server and nowhere last, and only if somebody is there
}

// Simulate answers what would happen at now if then came true: as if every known client then came back once, with the connections that it has open; those end first, one
// client after the other in the order of the table. A client without any comes and goes. Moved is who is led elsewhere than to where the connections are now, or without any,
// than to where the client would be led now; under RoundRobin, where it was led last. Nothing happens: both are asked of shadows of b, by Choose itself.
//
// It reads the client table one stripe at a time and takes about a microsecond a client, so it is not for a loop.
// Limits of clients do not count: that they come all at once is only supposed.
//
// What it cannot know is who really comes, and in which order: that matters where a client without a home is placed by turns or by load.
func (b *Balancer) Simulate(now int64, open []Open, then Supposition) (*Simulation, error) {
	s := &simulation{real: b, now: now, then: then, held: make(map[affinity.Key][]Open), clients: make(tally), connections: make(tally)}
	plan := boundless(b.Plan())
	then.Plan = boundless(then.Plan)
	for _, c := range open {
		key := plan.Prefix.Key(c.Client.Addr.Addr())
		s.held[key] = append(s.held[key], c)
	}
	size := 1 // one client at a time
	if then.Plan.Prefix != plan.Prefix {
		size = 2*b.table.Len() + len(open) + 1 // what is one client then are several now, or the other way round
	}
	var err error
	if s.before, err = b.newShadow(plan, 1); err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	defer s.before.table.Close()
	if s.after, err = b.newShadow(then.Plan, size); err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	defer s.after.table.Close()
	s.after.table.SetTTL(then.Tracking)
	for _, e := range then.Edits {
		e.Change(s.after.slots.Get(e.ID))
	}
	s.settle(open)
	if size > 1 {
		s.eachKnown(s.after.remember)
	}
	s.eachKnown(s.client)
	for _, c := range open { // of clients that the table has forgotten
		if e := (affinity.Entry{Key: plan.Prefix.Key(c.Client.Addr.Addr()), LastSeen: now}); s.held[e.Key] != nil {
			s.client(e)
		}
	}
	return s.result(plan, open), nil
}

// boundless is a plan without the limits of clients.
func boundless(p *Plan) *Plan {
	q := *p
	q.Limits = affinity.Limits{}
	return &q
}

// simulation is a Simulate under way.
type simulation struct {
	real          *Balancer
	before, after *Balancer // shadows: as it is, and as it would be
	now           int64
	then          Supposition
	held          map[affinity.Key][]Open // those of clients that are still to come

	clients, connections tally
}

// tally counts by server now and server then; None is nowhere.
type tally map[[2]backend.ID]int

// settle makes the live counts fit the list of connections, which is of a slightly different moment.
func (s *simulation) settle(open []Open) {
	count := make(map[backend.ID]int32)
	for _, c := range open {
		count[c.Server.ID]++
	}
	for id, n := range count {
		for _, shadow := range []*Balancer{s.before, s.after} {
			setLive(shadow.slots.Get(id), max(n, shadow.slots.Get(id).Live()))
		}
	}
}

// eachKnown calls do with every client that is remembered.
func (s *simulation) eachKnown(do func(affinity.Entry)) {
	for e := range s.real.table.Each {
		if e, known := s.real.table.Peek(e.Key, s.now); known {
			do(e)
		}
	}
}

// client has a known client come.
func (s *simulation) client(e affinity.Entry) {
	if held := s.held[e.Key]; held != nil {
		delete(s.held, e.Key)
		s.again(e, held)
		return
	}
	c := Client{netip.AddrPortFrom(e.Key.Addr(), 0)}
	s.before.remember(e)
	s.after.remember(e)
	p := s.before.current.Load()
	var from, to backend.ID
	if p.RoundRobin {
		if i := p.find(e.Home); i != nobody {
			from = backend.ID(e.Home)
		}
	} else if from = s.before.connect(c, s.now, nil); from != backend.None {
		s.before.slots.Get(from).Release()
	}
	if to = s.after.connect(c, s.now, s.then.Down); to != backend.None {
		s.after.slots.Get(to).Release()
	}
	s.clients[[2]backend.ID{from, to}]++
}

// again ends the connections of a client and has it make as many anew.
func (s *simulation) again(e affinity.Entry, held []Open) {
	s.after.remember(e)
	for _, c := range held {
		s.after.slots.Get(c.Server.ID).Release()
	}
	for i, c := range held {
		to := s.after.connect(c.Client, s.now, s.then.Down)
		s.connections[[2]backend.ID{c.Server.ID, to}]++
		if i == 0 {
			s.clients[[2]backend.ID{c.Server.ID, to}]++
		}
	}
}

// connect is one connection of a client, which stays, to whoever takes it: None for nobody. Those who are down refuse.
func (b *Balancer) connect(c Client, now int64, down map[backend.ID]bool) backend.ID {
	var a Attempt
	for {
		choice, ok := b.Choose(c, now, &a)
		if !ok {
			return backend.None
		}
		if !down[choice.Server.ID] {
			b.Connected(c, now, choice.Server, &a)
			return choice.Server.ID
		}
		b.Failed(choice.Server, now)
	}
}

// result turns ids into places.
func (s *simulation) result(plan *Plan, open []Open) *Simulation {
	places := map[backend.ID]Place{backend.None: {NoNumber, ""}}
	for _, p := range []*Plan{s.then.Plan, plan} {
		for _, v := range p.all() {
			if _, named := places[v.ID]; !named {
				places[v.ID] = Place{p.number(v), v.Name}
			}
		}
	}
	for _, c := range open {
		if _, named := places[c.Server.ID]; !named {
			places[c.Server.ID] = Place{NoNumber, c.Server.Name}
		}
	}
	loads := make(map[backend.ID]*Load)
	for i := range s.then.Plan.Servers {
		if v := &s.then.Plan.Servers[i]; !v.unset() {
			loads[v.ID] = &Load{Place: places[v.ID]}
		}
	}
	at := func(id backend.ID) *Load {
		if loads[id] == nil {
			loads[id] = &Load{Place: places[id]}
		}
		return loads[id]
	}
	for pair, n := range s.clients {
		at(pair[0]).ClientsNow += n
		at(pair[1]).ClientsThen += n
	}
	for pair, n := range s.connections {
		at(pair[0]).ConnectionsNow += n
		at(pair[1]).ConnectionsThen += n
	}
	r := &Simulation{Clients: s.clients.movement(places), Connections: s.connections.movement(places)}
	for _, l := range loads {
		r.Servers = append(r.Servers, *l)
	}
	slices.SortFunc(r.Servers, func(a, b Load) int {
		return cmp.Or(cmp.Compare(last(a.Number), last(b.Number)), cmp.Compare(a.Name, b.Name))
	})
	return r
}

// last orders the numbers below zero behind the others.
func last(number int) uint { return uint(number) }

func (t tally) movement(places map[backend.ID]Place) (m Movement) {
	for pair, n := range t {
		m.Total += n
		if pair[0] != pair[1] {
			m.Moved += n
			m.Moves = append(m.Moves, Move{places[pair[0]], places[pair[1]], n})
		}
	}
	slices.SortFunc(m.Moves, func(a, b Move) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(last(a.From.Number), last(b.From.Number)), cmp.Compare(last(a.To.Number), last(b.To.Number)))
	})
	return m
}
