package balance

import (
	"pen/affinity"
)

// Stay is what the client table has counted a connection in by, so that it is counted out by the same, whatever the plan says then of who is one client. The zero Stay was not counted in.
type Stay struct {
	prefix  affinity.Prefix
	counted bool
}

// Answer is what a client gets that asks for more than Plan.Limits allow.
type Answer uint8

// The answers.
const (
	Reject  Answer = iota // RST
	Tarpit                // nothing, for a while: the loops hold the connection
	ToAbuse               // the abuse server; RST if there is none or it will not do
)

// Answers are the operator's words for them.
var Answers = [...]string{Reject: "reject", Tarpit: "tarpit", ToAbuse: "abuse"}

func (a Answer) String() string { return Answers[a] }

// done is what happens to a client that gets nobody.
func (a Answer) done() string {
	if a == Tarpit {
		return "held in the tarpit while there is room, or reset"
	}
	return "reset"
}

// refusals are the verdicts of the client table in the plan's terms.
var refusals = [...]Refusal{affinity.Admitted: NotRefused, affinity.TooMany: TooMany, affinity.TooFast: TooFast}

var refusalWords = [...]string{NotRefused: "may have a server", Denied: "may not come in", TooMany: "has as many connections as it may", TooFast: "makes connections faster than it may"}

// String returns what to say of the client.
func (r Refusal) String() string { return refusalWords[r] }

// admit counts c's connection in, once in an Attempt, and returns the place of its home, nobody if it has none in the plan. A client that may not come in, or asks for too much, is not counted in: it has
// called, and no more.
func (b *Balancer) admit(p *published, a *Attempt, c Client, key affinity.Key, now int64) (home int, r Refusal) {
	switch again := a.past&visited != 0; {
	case again:
		if !p.letsIn(c.Addr.Addr()) {
			r = Denied
		}
		return b.whereabouts(p, key, now), r
	case !p.letsIn(c.Addr.Addr()):
		return p.find(b.table.Visit(key, now)), Denied
	}
	limits := p.limitsOf(c)
	if p.trace != nil {
		entry, _ := b.table.Peek(key, now)
		p.trace.allows(limits, entry)
	}
	id, verdict := b.table.Admit(key, now, limits)
	return p.find(id), refusals[verdict]
}

// limitsOf is what c may have: nothing is too much for a client that the list of exemptions lets in.
func (v *published) limitsOf(c Client) affinity.Limits {
	if v.Exempting && v.Limits != (affinity.Limits{}) && v.Lists.Match(v.ExemptACL, c.Addr.Addr(), v.Countries).Permit {
		return affinity.Limits{}
	}
	return v.Limits
}
