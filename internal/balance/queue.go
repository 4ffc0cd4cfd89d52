package balance

import "pen/internal/backend"

// A client for whom every server that would do has as many connections as it may have can wait for one, if the plan has a queue. Who waits, in which order and for how long is the loops' affair;
// here is what they ask, and the one count that bounds it.

// Waits reports, when Choose has found no server, that one which is well was passed over for its limit, and that the plan has clients wait for that.
// With a queue nobody is sent to servers that are held to be out while there is one that is only full.
func (a *Attempt) Waits() bool { return a.Full() && a.plan.Queue > 0 }

// Full reports, when Choose has found no server, that one which is well was passed over for its limit.
func (a *Attempt) Full() bool { return a.past&metFull != 0 }

// Again makes the Attempt of a client that has waited ready for another walk, by the plan that is then in force. The visit is not counted a second time.
func (a *Attempt) Again() {
	met := a.past & visited
	if a.plan != nil {
		met = visited
	}
	*a = Attempt{past: met}
}

// meets notes what speaks against a server. Failing open, where a server may be out and full as well, comes after all who are well.
func (a *Attempt) meets(against objection) {
	if against == full && a.stage != failingOpen {
		a.past |= metFull
	}
}

// Enqueue counts in a client that is going to wait, unless as many wait as may. Every true is paired with one Dequeue.
func (b *Balancer) Enqueue() bool {
	for most := int32(b.Plan().Queue); ; {
		n := b.waiting.Load()
		if n >= most {
			return false
		}
		if b.waiting.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Dequeue counts out a client that no longer waits.
func (b *Balancer) Dequeue() { b.waiting.Add(-1) }

// Waiting is how many clients wait, over all loops.
func (b *Balancer) Waiting() int { return int(b.waiting.Load()) }

// Room reports whether asking again makes sense for those who wait: a server that is well has room for somebody, though perhaps not for everybody, or there is none left to wait for,
// or the operator wants no queue any more.
// It reads a few words for each server.
func (b *Balancer) Room(now int64) bool {
	p := b.current.Load()
	if p.Queue == 0 {
		return true
	}
	awaited := false
	look := func(s *Server, slot *backend.Slot) bool {
		h := drain.off(slot.Health(now)) // its own clients come to a drained server, too
		if !s.Addr.valid() || !h.Usable() {
			return false
		}
		awaited = true
		limit := s.limit(softLimit)
		return limit == 0 || int(slot.Live()) < limit
	}
	for i := range p.Servers {
		if look(&p.Servers[i], p.slots[i]) {
			return true
		}
	}
	return p.Emergency != nil && look(p.Emergency, p.emergency) || !awaited
}
