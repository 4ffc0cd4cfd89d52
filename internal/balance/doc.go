// Package balance answers one question: which server does this client go to. Bytes, sockets and time belong to others; the caller passes now.
//
//	Plan ──Publish──► published ──┐
//	                              ▼
//	Choose:  home ► prio ► weight ► least-conn ► hash ► round robin     the initial server, in Pen's order (choose.go)
//	            ► the servers after it, each once                       failover (failover.go)
//	            ► the emergency server
//	            ► whoever was passed over on an automatic verdict only  fail open
//	                              │
//	Connected Failed Abandoned Moved Closed                             what became of it (settle.go)
//
// A Plan is what the operator decided; it is immutable and replaced as a whole. What is known about a server stands in its backend.Slot, what is known about a
// client in the affinity.Table. The package adds one word of its own, the round-robin cursor. There are no locks here and nothing on the way of Choose allocates.
//
// Explain and Simulate answer what would be. They ask Choose itself, in a shadow: a Balancer over copies, with nothing of the real one (shadow.go).
//
// A chosen server counts a live connection from the moment of the choice, so limits hold while connects are under way (PEN.md B17). Each true Choose is followed
// by exactly one of Failed, Abandoned and Closed on the chosen server, which gives the count back; Connected and Moved come in between.
//
// A client's connections are counted as well, in the client table, by the first Choose of each Attempt and, whatever became of it, by one Left: Plan.Limits hold for both, those that are live and those
// that begin. A client over them gets none of the servers (refuse.go).
//
// Two kinds of verdict keep a server out. Automatic ones (its checks fail, a connect failed a short while ago) are advice: when nobody else is left, they are
// overridden. The operator's (ban, drain, limits) bind.
package balance
