// Package loop carries connections: accept, choose, connect, forward, close.
//
// The files stand in the order in which a connection meets them: listen, loop (the turn), poll_raw and poll_gnet (how a turn is waited for), conn (what a connection is),
// ends (whose a descriptor is), accept, connect, greet (the client's first bytes), forward, outbox (what a turn has to say, in one call), close, trail (what is kept of it); then timers, deadline (what they are for), gate (the connection limit), pace (the accept rate), queue (who waits
// for a server), tarpit (who asks for too much), errno (whose doing an error is), suspend, mailbox and view (how others speak to a loop), meter (how busy it is) and pin.
//
//	         ┌──────────────── one Loop = one goroutine ───────────────┐
//	clients ─┤ listener ─ accept ─ connect ─ forward ⇄ forward ─ close ├─ servers
//	         └── poller · timer wheel · pipes · buffers · free lists ──┘
//
// Ownership: a descriptor never changes loop. Everything in a Loop belongs to its goroutine but for what is marked atomic; others speak to it through its mailbox.
// Nothing here blocks, takes a lock across a system call, or allocates per event.
//
// Events are hints and system calls decide. A poller hands out a descriptor number only, and that number may have a new owner by the time its event is looked at:
// a spurious readable ends in EAGAIN, a spurious writable as well, a spurious error is asked about (SO_ERROR) before it is believed, and a connect is finished when a second connect says so.
//
// Budgets, so that no connection and no flood can starve the others:
//
//	accepts per turn      Config.AcceptBatch
//	bytes per turn        turnBytes, each direction of each connection
//	expiries per tick     expiryBudget
package loop
