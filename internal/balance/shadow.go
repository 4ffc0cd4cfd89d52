package balance

import (
	"strconv"

	"pen/affinity"
	"pen/internal/backend"
)

// newShadow returns a Balancer of its own by the plan p, over copies of what is known about the servers now and with a client table for so many clients, empty.
// It has nothing in common with b but that: whatever is asked of it, b counts, moves and reserves nothing. It is for one goroutine, who puts it away with its table's Close.
// Servers of p that have no slot yet are in good health. That is how questions about b are answered by the code that b itself chooses by.
func (b *Balancer) newShadow(p *Plan, clients int) (*Balancer, error) {
	table, err := affinity.New(clients, 0)
	if err != nil {
		return nil, err
	}
	s := &Balancer{slots: backend.NewSlots(), table: table}
	known, highest := b.slots.Len(), backend.ID(0)
	for _, v := range p.all() {
		highest = max(highest, v.ID)
	}
	for i := range max(known, int(highest)) {
		id, err := s.slots.Claim(strconv.Itoa(i)) // ids are given out from 1 on, so that this is the same server's
		if err != nil {
			table.Close()
			return nil, err
		}
		if i < known {
			copySlot(s.slots.Get(id), b.slots.Get(id))
		}
	}
	s.cursor.Store(b.cursor.Load())
	s.Publish(p)
	return s, nil
}

// copySlot makes to what the choice knows about from. The parts may be from different instants.
func copySlot(to, from *backend.Slot) {
	h := from.Health(0)
	to.SetProbe(!h.ProbeDown)
	to.SetDrained(h.Drained)
	to.Shun(from.ShunnedUntil())
	to.Ban(from.BannedUntil())
	setLive(to, from.Live())
}

// setLive gives a slot of a shadow so many live connections.
func setLive(slot *backend.Slot, live int32) {
	for slot.Live() < live {
		slot.Take(0)
	}
	for slot.Live() > live {
		slot.Release()
	}
}

// all is every server that a client may be sent to.
func (p *Plan) all() []*Server {
	list := make([]*Server, 0, len(p.Servers)+2)
	for i := range p.Servers {
		if !p.Servers[i].unset() {
			list = append(list, &p.Servers[i])
		}
	}
	for _, s := range []*Server{p.Emergency, p.Abuse} {
		if s != nil {
			list = append(list, s)
		}
	}
	return list
}

// remember has the shadow know a client as the table that the entry is from does.
func (b *Balancer) remember(e affinity.Entry) { b.table.Adopt(e) }
