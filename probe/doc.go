// Package probe asks every server, again and again, whether it is alive, and keeps one bit per server up to date: the probe bit of its backend.Slot.
//
// There is one Prober in a process, however many loops there are, so a server sees one check per interval and not one per CPU (FIELD.md 12), and none of it runs on a
// loop (FIELD.md 13). Run is one scheduler goroutine with a queue ordered by due time; a check is one short goroutine, at most MaxChecks of them at once, never two for
// the same server. A server that waits for its turn costs a queue entry and no goroutine.
//
// Files in the order a verdict comes about: probe.go (who is due), check.go (connect, or ask over HTTP), http.go (the least of HTTP/1 that a check needs),
// streak.go (rise and fall, pure).
//
// # When a server is checked
//
// The first check comes at a random moment within one Interval, so that a start or a reload does not hit all servers at once. From then on a server is checked Interval
// after the end of its last check, ±10 % at random, so that checks do not fall into step. A server in doubt, that is while results contradict the verdict but are fewer
// than Fall (or Rise), is checked after a quarter of the Interval instead. A server that dies is therefore found after at most
//
//	1.1·Interval + Fall·Timeout + (Fall−1)·1.1·Interval/4
//
// and Timeout counts only where the server does not answer at all. Servers beyond what MaxChecks can keep up with are checked later, the longest overdue first.
//
// # What a check decides
//
// A server starts as up. Fall failures in a row take it down, Rise passes in a row bring it back. Every passing check also ends a blacklisting that came from evidence (a
// failed connect seen by a loop), but never one by the operator. Trouble of our own (no descriptors, ports or memory left) says nothing about a server: such a check is
// void, counted and logged at most once per Interval.
package probe
