// Package affinity is the client table: it remembers which server each client met last, so that the client meets it again.
//
// It knows clients (Key) and server ids (uint32, 0 = none); what an id means is its caller's business. It imports nothing of the house.
//
//	key ── xxhash with the table's secret ──► 64 bits
//	                 high bits ─► stripe          one mutex, one LRU list, one share of the arena
//	                  low bits ─► slot            linear probing, deletion shifts back, no tombstones
//
//	arena (mmap)  │ share of stripe 0 │ share of stripe 1 │ …      64 bytes a slot, one cache line, no Go pointers
//	tails         │ stamp of tail 0   │ stamp of tail 1   │ …      one contiguous array of atomics
//
// Exactly LRU. One counter numbers all visits of the table; an entry bears the number of its last visit (its stamp). A stripe's list runs from its
// newest to its oldest stamp and the stripe publishes the stamp of its tail. The least recently used client of the whole table is therefore the
// tail of the stripe with the oldest published stamp. A visit that finds the table overfull takes it out. With one goroutine this is exact to the
// letter. With n goroutines inserting, Len may exceed Cap by n until they return, never afterwards.
//
// Clients with live connections (those whom Admit let in and who have not Left) are the exception: while they are not too many, a flood of newcomers passes them over. An insertion gives those another
// round whom it meets when it looks for the oldest (see makeRoom) and a few more on the way (see refresh), so that its work is bounded. All others are in the order of their visits as ever.
//
// Limits. What a client may have is kept in its entry: how many connections are live, and the debt of its bucket (see Rate). Admit decides in the one lock that a visit takes anyway.
//
// The list itself may lag up to eight visits behind (see stripe.owed); its oldest entry, and with it every answer, never does.
//
// One more exception is left open, and it is out of reach: a stripe whose share of the arena is full gives up its own tail, whatever the others hold.
// Shares have so much slack (see layoutFor) that, for keys the secret scatters, the chance is below 1e-39 for each client that comes in.
//
// Time. The caller passes now: unix nanoseconds, not negative, the same clock for all callers. The table keeps whole seconds. Entries expire by the
// time of their last Visit or Admit, so LRU order is expiry order, and Expire looks at tails only; those that got another round for their live connections are removed late.
// Callers whose now lags behind that of others by d may see an entry removed up to d late; it stops matching on time.
//
// Locks. Any method may be called by any goroutine. A stripe is held for one probe sequence and a few list links, and never while a caller's function runs.
// The longest hold is Each copying one stripe (about 1 ms at 10 million clients). Whoever holds a stripe takes no second one, unless it moves a client to
// the next bank: then the old bank's comes first. Only New, Grow, Close and Each allocate or map memory; Visit and Admit give the kernel one madvise in the life of
// a large arena, and begin the one goroutine there is: for some seconds it makes huge pages of the arena (see collapse). Close and Grow wait for it to end.
//
// Growing. Grow makes a second, larger bank of stripes and moves the clients there, stripe by stripe and few at a time. Until that is done a client is
// looked for in its old stripe first, then in the new; who is new or visited goes to the new one. A stripe of the old bank splits into whole stripes of the
// new, newest clients first, so that each list stays in the order of its stamps. Outside a Grow this costs a call one load and one test, about 1 ns.
//
// Memory. The arena is touched as clients come, and what was touched stays resident: a forgotten client's page is not given back. An arena the table has
// grown out of is unmapped at once: no call can be in it, since its stripes, which are not part of it, have let go of it.
package affinity
