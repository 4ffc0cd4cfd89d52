package balance

import (
	"math"
	"net/netip"

	"pen/affinity"
)

// Client is who wants a server. The zero Client is any client of a Unix socket.
type Client struct{ Addr netip.AddrPort }

// Choice is the answer.
type Choice struct {
	Server *Server // belongs to the plan: read only
	Why    Why
}

// nobody is the place of a server that is not there; in an Attempt, nowhere is.
const (
	nobody  = -1
	nowhere = math.MaxUint16
)

// Choose answers which server c goes to and counts a live connection there, or says that there is none. Called first with a zero Attempt; when the
// connect failed, and Failed or Abandoned has been told so, called again with the same one, it goes on to the next server and never back to one it has
// answered before. False is final for the Attempt. It takes one table lock, a second one for a client whose home is set, and never allocates.
// Whatever the answer, the first call counts the connection in, and Left counts it out.
func (b *Balancer) Choose(c Client, now int64, a *Attempt) (Choice, bool) {
	first := a.plan == nil
	if first {
		a.plan = b.current.Load()
	}
	p := a.plan
	key := p.Prefix.Key(c.Addr.Addr())
	last := a.lastPlace()
	if a.home == roaming {
		last = b.whereabouts(p, key, now)
	}

	// The initial server: the client's home, whatever its state, else by algorithm.
	if first {
		initial, refusal := b.admit(p, a, c, key, now)
		a.past |= past(refusal) * refusalNote
		if initial != nobody {
			a.past |= clientKnown
		}
		switch {
		case refusal != NotRefused:
			a.stage = refused
		case p.RoundRobin:
			last, a.home = initial, roaming
			initial, a.why = b.pick(p, c, key, now)
		case initial != nobody:
			a.why, a.home = Affinity, initialIsHome
		default:
			initial, a.why = b.pick(p, c, key, now)
		}
		a.initial = uint16(initial) // nobody becomes nowhere
	}

	// A client who may not come in, or asks for too much, gets the abuse server, never any other (PEN.md B9).
	if a.stage == refused {
		a.stage = over
		if p.abuseFor(a.Refusal()) && p.take(p.Abuse, p.abuse, c, now, verdicts) == none {
			return b.answer(p.Abuse, AbuseNumber, Abuse)
		}
	}

	// It, and the servers after it, each once.
	for a.stage == walking {
		if i, more := a.next(); !more {
			a.stage = a.afterWalk()
		} else if b.enter(c, key, now, a, last, i) {
			a.markTried(i)
			return b.answer(&p.Servers[i], i, a.reason(i))
		}
	}

	// The emergency server. It is nobody's home.
	if a.stage == emergency {
		against := unset
		if p.Emergency != nil {
			against = p.take(p.Emergency, p.emergency, c, now, 0)
			a.meets(against)
		}
		a.stage, a.turn = failingOpen, 0
		if against == none {
			a.past |= emergencyTried
			return b.answer(p.Emergency, EmergencyNumber, Emergency)
		}
	}
	if a.stage == failingOpen && a.Waits() { // for one that is well, rather than try those that are held to be out
		a.stage = over
	}

	// Nobody is left who is held to be well. Automatic verdicts no longer count: those who were passed over have their turn, in the same order.
	for a.stage == failingOpen {
		if i, more := a.next(); !more {
			a.stage = lastResort
		} else if !a.wasTried(i) && b.enter(c, key, now, a, last, i) {
			return b.answer(&p.Servers[i], i, FailOpen)
		}
	}
	if a.stage == lastResort {
		a.stage = over
		if p.Emergency != nil && a.past&emergencyTried == 0 && p.take(p.Emergency, p.emergency, c, now, verdicts) == none {
			return b.answer(p.Emergency, EmergencyNumber, FailOpen)
		}
	}
	return Choice{}, false
}

// answer is Choose's answer, and remembers its number. The line that it writes to is every loop's, so it is written to only for another number.
func (b *Balancer) answer(s *Server, number int, why Why) (Choice, bool) {
	if b.latest.Load() != int32(number) {
		b.latest.Store(int32(number))
	}
	return Choice{s, why}, true
}

// Latest is the number of the server that Choose answered with last, whatever came of it: what Pen's status page calls the current one.
func (b *Balancer) Latest() int { return int(b.latest.Load()) }

// Spare answers with a server in turn for a connection without a client, and counts a live connection there. No client's home comes of it.
func (b *Balancer) Spare(now int64) (Choice, bool) {
	p := b.current.Load()
	i := b.byRoundRobin(p, now, false)
	if i == nobody || try(&p.Servers[i], p.slots[i], now, 0) != none {
		return Choice{}, false
	}
	return Choice{&p.Servers[i], RoundRobin}, true
}

// pick finds a new client's initial server by the plan's algorithm among those usable. If there is none, then among those that are out on automatic verdicts
// only: they will be passed over, but should it come to failing open, the algorithm's spread is kept. Nobody if the operator's word leaves none.
func (b *Balancer) pick(p *published, c Client, key affinity.Key, now int64) (int, Why) {
	i, why := b.pickAmong(p, c, key, now, false)
	open := i == nobody
	if open {
		i, why = b.pickAmong(p, c, key, now, true)
	}
	if p.trace != nil {
		p.trace.picks(i, why, open)
	}
	return i, why
}

func (b *Balancer) pickAmong(p *published, c Client, key affinity.Key, now int64, open bool) (int, Why) {
	switch {
	case p.Prio:
		return p.byPrio(now, open), Prio
	case p.Weight:
		return p.byWeight(now, open), Weight
	case p.LeastConn:
		return b.byLeastConn(p, now, open), LeastConn
	case p.PenHash:
		return p.byPenHash(c), Hash
	case p.Hash:
		return p.byHash(key, now, open), Hash
	default:
		return b.byRoundRobin(p, now, open), RoundRobin
	}
}

// enter takes a live connection of server i and sees to the client's home; last is the walk's choice before,
// or under -r where the client was led last. It refuses when the server would not do, and also when the client turns out to have a home: then the walk begins anew there.
func (b *Balancer) enter(c Client, key affinity.Key, now int64, a *Attempt, last, i int) bool {
	p := a.plan
	if against := p.take(&p.Servers[i], p.slots[i], c, now, a.waives(i, last)); against != none {
		a.meets(against)
		return false
	}
	if home := b.giveHome(key, now, a, last, i); home != i {
		p.slots[i].Release()
		a.restartAt(home)
		return false
	}
	return true
}
