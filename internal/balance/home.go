package balance

import "pen/affinity"

// home is what an Attempt knows of its client's home, the server that the client is led to whenever it comes.
//
// A client without one gets it with the choice, before the connect, so that connections that a new client opens at once agree. Only such a home, not yet
// confirmed by a connect, moves along when the Attempt fails over. An older one stays through any failover and the client returns to it (PEN.md B8).
//
// Under -r nobody is led home. As in Pen the home is then the server that the client was led to last, whose soft limit it may pass should its turn lead it there again.
type home uint8

const (
	homeless      home = iota // none that is in the plan. Invariant: the Attempt has answered with no server of the walk yet
	initialIsHome             // the initial server is the home, from before
	unconfirmed               // this Attempt gave it, to the server that it answered with last in the walk
	notOurs                   // whatever it is, this Attempt leaves it alone
	roaming                   // wherever this Attempt leads the client, as under -r
)

// waives returns what server i waives for this client; last is where a roaming one was led last.
func (a *Attempt) waives(i, last int) (w waiver) {
	switch {
	case a.home == initialIsHome && i == int(a.initial):
		w = softLimit | drain
	case a.home == roaming && i == last:
		w = softLimit
	}
	if a.stage == failingOpen {
		w |= verdicts
	}
	return w
}

// whereabouts is the place of the server that the client was led to last, without counting a visit.
func (b *Balancer) whereabouts(p *published, key affinity.Key, now int64) int {
	entry, _ := b.table.Peek(key, now)
	return p.find(entry.Home)
}

// giveHome makes server i, which has just been taken, the client's home if that is due; last is the walk's choice before. It returns the server that the
// client is to go to: i, or, if another connection of the client has settled on a home meanwhile, that home.
// Failing open, only the initial server may become a home: any other was tried against all evidence and for this once.
func (b *Balancer) giveHome(key affinity.Key, now int64, a *Attempt, last, i int) int {
	p := a.plan
	id := uint32(p.Servers[i].ID)
	switch {
	case a.home == roaming && last != nobody:
		b.table.Move(key, uint32(p.Servers[last].ID), id)
	case a.home == roaming:
		if inForce := b.table.Claim(key, now, id); p.find(inForce) == nobody { // that server has left the plan
			b.table.Move(key, inForce, id)
		}
	case a.stage == failingOpen && (a.home != homeless || i != int(a.initial)):
	case a.home == unconfirmed:
		b.moveHome(key, a, uint32(p.Servers[last].ID), id)
	case a.home == homeless:
		inForce := b.table.Claim(key, now, id)
		settled := p.find(inForce)
		switch {
		case inForce == id:
			a.home = unconfirmed
		case settled != nobody:
			a.home = initialIsHome
			return settled
		default: // that server has left the plan
			b.moveHome(key, a, inForce, id)
		}
	}
	return i
}

// moveHome moves the home unless another connection has moved it already; then it is that connection's affair.
func (b *Balancer) moveHome(key affinity.Key, a *Attempt, from, to uint32) {
	a.home = notOurs
	if b.table.Move(key, from, to) {
		a.home = unconfirmed
	}
}
