package balance

import "pen/affinity"

// home is what an Attempt knows of its client's home, the server that the client is led to whenever it comes.
//
// A client without one gets it with the choice, before the connect, so that connections that a new client opens at once agree. Only such a home, not yet
// confirmed by a connect, moves along when the Attempt fails over. An older one stays through any failover and the client returns to it (PEN.md B8).
type home uint8

const (
	homeless      home = iota // none that is in the plan. Invariant: the Attempt has answered with no server of the walk yet
	initialIsHome             // the initial server is the home, from before
	unconfirmed               // this Attempt gave it, to the server that it answered with last in the walk
	notOurs                   // whatever it is, this Attempt leaves it alone
)

// isHome reports whether server i was this client's home before the Attempt: such a client may pass the soft limit and a drain.
func (a *Attempt) isHome(i int) bool { return a.home == initialIsHome && i == int(a.initial) }

// giveHome makes server i, which has just been taken, the client's home if that is due; last is the walk's choice before. It returns the server that the
// client is to go to: i, or, if another connection of the client has settled on a home meanwhile, that home.
// Failing open, only the initial server may become a home: any other was tried against all evidence and for this once.
func (b *Balancer) giveHome(key affinity.Key, now int64, a *Attempt, last, i int) int {
	p := a.plan
	id := uint32(p.Servers[i].ID)
	switch {
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
