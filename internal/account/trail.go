package account

import (
	"net/netip"
	"syscall"
	"time"
)

// Trail is what remains of a connection that has ended: enough to say at night what became of it. Plain data.
type Trail struct {
	Ended  int64          // unix ns, on the loops' clock
	Client netip.AddrPort // zero: a Unix client
	Server string         // that it was given, or that was tried last; "" = none
	Why    string         // the rule that chose the server; "" = none
	Cause  Cause
	Errno  syscall.Errno // behind the cause; 0 = none
	Number int           // of the connection

	// Since the client was accepted, to the microsecond and at most 71 minutes; Never = it did not come to that.
	Connected, FirstUp, FirstDown time.Duration
	Lasted                        time.Duration

	Up, Down uint64 // bytes that the server and the client took
}

// Never stands for the time of what did not happen.
const Never = time.Duration(-1)

// Abnormal tells an ending that somebody may want to look into: neither side ended it in order, nor did we for a reason of our own.
func (c Cause) Abnormal() bool {
	switch c {
	case ClientFin, ServerFin, Drained, Answered:
		return false
	}
	return true
}
