package loop

import "sync/atomic"

// gate counts connections over all loops against one limit. Safe for concurrent use.
type gate struct {
	// constant once the loops run
	loops   []*Loop
	pitMost int // connections in the tarpit; 0 = a tenth of max

	// atomic: any loop
	max     atomic.Int64
	live    atomic.Int64
	waiting atomic.Int32 // loops that met the gate closed
	held    atomic.Int64 // connections in the tarpit
	ahead   atomic.Int64 // see pace: when the connections accepted so far would all have come if they had come evenly, unix ns

	// atomic: whoever publishes plans
	pace atomic.Pointer[pace] // nil: any
}

// enterPit counts a connection into the tarpit, unless as many are held there as may be.
func (g *gate) enterPit() bool {
	most := int64(g.pitMost)
	if most == 0 {
		most = g.max.Load() / 10
	}
	if g.held.Add(1) > most {
		g.held.Add(-1)
		return false
	}
	return true
}

func (g *gate) leavePit() { g.held.Add(-1) }

// starved is a loop's mark that it met the gate closed.
type starved struct {
	waiting atomic.Bool // set by the loop, cleared by whoever makes room
}

// enter counts a connection in, before it is accepted. At the limit it answers false and the loop is woken once there is room.
func (g *gate) enter(l *Loop) bool {
	for {
		n := g.live.Load()
		if n < g.max.Load() {
			if g.live.CompareAndSwap(n, n+1) {
				return true
			}
			continue
		}
		if !l.starved.waiting.Load() {
			g.waiting.Add(1) // before the mark: it may count a loop too many, never one too few
			l.starved.waiting.Store(true)
		}
		// Room made between the look and the mark would go unannounced: look again.
		if g.live.Load() >= g.max.Load() {
			return false
		}
		g.admit(l)
	}
}

// leave counts a connection out and wakes the loops that wait for room.
func (g *gate) leave() {
	g.live.Add(-1)
	g.wake()
}

// wake has the loops that wait for room look again.
func (g *gate) wake() {
	if g.waiting.Load() == 0 {
		return
	}
	for _, l := range g.loops {
		if g.admit(l) {
			l.poll.wake()
		}
	}
}

// admit takes a loop's mark away, and reports whether it was there.
func (g *gate) admit(l *Loop) bool {
	if !l.starved.waiting.CompareAndSwap(true, false) {
		return false
	}
	g.waiting.Add(-1)
	return true
}
