package balance

import (
	"math"
	"net/netip"

	"pen/internal/backend"

	"github.com/cespare/xxhash/v2"
)

// published is a Plan with what Choose would otherwise have to look up each time. It is immutable: attempts that began on it finish on it.
type published struct {
	*Plan
	slots     []*backend.Slot // of Servers, in their order
	emergency *backend.Slot   // nil without an emergency server
	abuse     *backend.Slot   // nil without an abuse server
	index     []uint16        // by server id: its place in Servers + 1, 0 = not in this plan
	seeds     []uint64        // of Servers: what the hash knows them by
	weighs    bool            // the hash heeds the weights: all are set, and they differ
	group     int             // servers that share one bit of Attempt.tried, 1 for up to triedBits servers
	trace     *trace          // in the shadow that Explain asks: told what is decided and by what; else nil
}

// Every id fits an entry of the client table.
const _ uint16 = backend.MaxServers

func publish(p *Plan, slots *backend.Slots) *published {
	n := len(p.Servers)
	v := &published{Plan: p, slots: make([]*backend.Slot, n), seeds: make([]uint64, n), group: max(1, (n+triedBits-1)/triedBits)}
	var highest backend.ID
	for i := range p.Servers {
		highest = max(highest, p.Servers[i].ID)
	}
	v.index = make([]uint16, highest+1)
	set, differ := true, false
	for i := range p.Servers {
		s := &p.Servers[i]
		if s.unset() {
			v.slots[i] = nowhereSlot
			continue
		}
		v.slots[i] = slots.Get(s.ID)
		v.index[s.ID] = uint16(i + 1)
		v.seeds[i] = xxhash.Sum64String(s.Name)
		set = set && s.Weight > 0
		differ = differ || s.Weight != p.Servers[0].Weight
	}
	v.weighs = set && differ
	if p.Emergency != nil {
		v.emergency = slots.Get(p.Emergency.ID)
	}
	if p.Abuse != nil {
		v.abuse = slots.Get(p.Abuse.ID)
	}
	return v
}

// nowhereSlot stands for every number without a server: out for good, by the operator's word.
var nowhereSlot = func() *backend.Slot {
	s := new(backend.Slot)
	s.Ban(math.MaxInt64)
	return s
}()

// letsIn reports whether the list of clients lets one in.
func (v *published) letsIn(client netip.Addr) bool {
	verdict := v.Lists.Match(v.ClientACL, client, v.Countries)
	if v.trace != nil {
		v.trace.judges(v.ClientACL, verdict)
	}
	return verdict.Permit
}

// abuseFor reports whether a client that was refused is to have the abuse server.
func (v *published) abuseFor(r Refusal) bool {
	return v.Abuse != nil && (r == Denied || v.OverLimit == ToAbuse)
}

// find returns the place of a server id in the plan, nobody if it has none there.
func (v *published) find(id uint32) int {
	if id >= uint32(len(v.index)) {
		return nobody
	}
	return int(v.index[id]) - 1
}

// eligible reports whether an algorithm may pick server i for a new client: a usable one, or, when open, one that is out on automatic verdicts only.
// It is asked last, only about a server that would win: health costs more to read than most scores.
func (v *published) eligible(i int, now int64, open bool) bool {
	h := v.slots[i].Health(now)
	return h.Usable() || open && h.AutomaticOnly()
}

// waiver is what does not count against a server for a client, any of these together.
type waiver uint8

const (
	softLimit waiver = 1 << iota // only the hard one does: the client was there last
	drain                        // and it belongs there
	verdicts                     // those that are automatic: all else is lost
)

// objection is what speaks against a server for a client.
type objection uint8

const (
	none      objection = iota
	forbidden           // the server's list denies the client
	unset               // it has no address
	out                 // a verdict: of its checks, of a failed connect, of the operator
	full                // as many live connections as it may have
)

// take takes a live connection of server s for a client, or says what speaks against it. A refusal changes nothing.
func (v *published) take(s *Server, slot *backend.Slot, c Client, now int64, waived waiver) objection {
	against := forbidden
	verdict := v.Lists.Match(s.ACL, c.Addr.Addr(), v.Countries)
	if verdict.Permit {
		against = try(s, slot, now, waived)
	}
	if v.trace != nil {
		v.trace.tries(s, slot, verdict, waived, against)
	}
	return against
}

// try is take without the list.
func try(s *Server, slot *backend.Slot, now int64, waived waiver) objection {
	if !s.Addr.valid() {
		return unset
	}
	if h := waived.off(slot.Health(now)); !h.Usable() && !(waived&verdicts != 0 && h.AutomaticOnly()) {
		return out
	}
	if !slot.Take(int32(s.limit(waived))) {
		return full
	}
	return none
}

// off is what is left of a server's health when what is waived does not count.
func (w waiver) off(h backend.Health) backend.Health {
	h.Drained = h.Drained && w&drain == 0
	return h
}

// limit is how many live connections the server may have for a client for whom so much is waived, 0 for any number.
func (s *Server) limit(waived waiver) int {
	if s.Soft != 0 && waived&softLimit != 0 {
		return max(s.Soft, s.Hard)
	}
	return s.Soft
}
