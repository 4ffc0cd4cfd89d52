package balance

import (
	"sync/atomic"

	"pen/affinity"
	"pen/internal/backend"
)

// Balancer chooses servers by the current Plan. All methods are safe for concurrent use; only Publish allocates.
type Balancer struct {
	// constant after New
	slots *backend.Slots
	table *affinity.Table

	// atomic: Publish writes, the loops read
	current atomic.Pointer[published]

	// atomic: loops whose clients begin or cease to wait for a server, which takes a farm that is full
	waiting atomic.Int32

	_ [128]byte // the cursor is written for most new clients, the fields above hardly ever

	// atomic: every loop that picks by round robin or least-conn; the place of the server picked last. Starts at 0, so that the first client goes to server 1, as in Pen
	cursor atomic.Uint32
	// atomic: every loop; what Latest returns. Beside the cursor, since whoever writes the one mostly writes the other
	latest atomic.Int32
}

// New returns a Balancer that goes by plan. The table and the slots stay the caller's. For the plan the rules of Publish hold.
func New(slots *backend.Slots, table *affinity.Table, plan *Plan) *Balancer {
	b := &Balancer{slots: slots, table: table}
	b.Publish(plan)
	return b
}

// Plan returns the plan in force. It may not be changed.
func (b *Balancer) Plan() *Plan { return b.current.Load().Plan }

// Publish puts p in force for all connections that begin from now on; those that are looking for a server finish by the plan they began with.
// p must be valid, its ids claimed from the Balancer's slots, and from now on nobody may change it.
func (b *Balancer) Publish(p *Plan) { b.current.Store(publish(p, b.slots)) }
