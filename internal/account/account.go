// Package account holds what is counted and recorded about connections: facts that go out and are never asked back by the path of a byte.
package account

import "sync/atomic"

// Count names one running total of an event loop.
type Count uint8

// The totals of a loop. Bytes are counted when the receiving socket has taken them.
const (
	Accepted     Count = iota // connections accepted
	AcceptErrors              // accept calls that failed for any reason but "none waiting"
	AcceptPauses              // times accepting stopped for want of descriptors or memory
	LimitReached              // times accepting stopped at the connection limit
	Refused                   // connects that failed, the server's doing
	TimedOut                  // connects that took longer than the connect timeout
	LocalErrors               // connects that failed, our own doing (descriptors, ports, memory)
	Stale                     // events for a descriptor number that has a new owner or none: harmless
	BytesUp                   // from clients to servers
	BytesDown                 // from servers to clients
	BytesSpliced              // those of either direction that never entered user space
	BytesCopied               // and those that did
	nCounts
)

var countNames = [nCounts]string{"accepted", "accept_errors", "accept_pauses", "limit_reached", "connects_refused", "connects_timed_out", "local_errors",
	"stale_events", "bytes_up", "bytes_down", "spliced", "copied"}

func (c Count) String() string { return countNames[c] }

// Cause says why a connection ended. Every connection ends with exactly one.
type Cause uint8

// The causes. A FIN is named after the side that sent the first one.
const (
	ClientFin       Cause = iota // the client ended first, all bytes delivered
	ServerFin                    // the server ended first, all bytes delivered
	ClientReset                  // the client's RST, handed on to the server
	ServerReset                  // the server's RST, handed on to the client
	NoServer                     // no server could be had
	Idle                         // no byte moved for the idle timeout
	Drained                      // the process ended before the connection did
	Local                        // our own trouble: out of descriptors, memory or ports, or a call was refused here
	Denied                       // the client may not come in
	Forced                       // closed by the operator
	BadRequest                   // what the client sent could not be given its header safely
	Answered                     // the dummy's answer was given
	ConnectRefused               // every server tried refused, the last one at least
	ConnectTimedOut              // the last server tried did not answer in time
	AtLimit                      // servers there are, but those that would do have as many connections as they may
	ClientLost                   // the client no longer acknowledged anything
	ServerLost                   // nor did the server
	nCauses
)

var causeNames = [nCauses]string{"client_fin", "server_fin", "client_reset", "server_reset", "no_server", "idle", "drained", "local", "denied", "forced", "bad_request", "answered",
	"connect_refused", "connect_timeout", "limit", "client_lost", "server_lost"}

func (c Cause) String() string { return causeNames[c] }

// Loop is the ledger of one event loop.
type Loop struct {
	_ [64]byte // keeps neighbours' counters off this loop's cache lines

	// atomic: written by the loop only, read by anyone
	counts [nCounts]atomic.Uint64
	ended  [nCauses]atomic.Uint64
	live   atomic.Int64

	_ [64]byte
}

// Add adds to a total. Only the loop that owns the ledger may call it: with one writer a load and a store do, and no bus is locked for the sum.
func (l *Loop) Add(c Count, n uint64) { l.counts[c].Store(l.counts[c].Load() + n) }

// Opened counts a connection in.
func (l *Loop) Opened() {
	l.Add(Accepted, 1)
	l.live.Store(l.live.Load() + 1)
}

// Ended counts a connection out.
func (l *Loop) Ended(why Cause) {
	l.ended[why].Store(l.ended[why].Load() + 1)
	l.live.Store(l.live.Load() - 1)
}

// Totals is the sum over loops. The figures are read one by one: each is true, together they are of slightly different moments.
type Totals struct {
	Counts [nCounts]uint64
	Ended  [nCauses]uint64
	Live   int64
}

// Sum adds up ledgers.
func Sum(loops []*Loop) (t Totals) {
	for _, l := range loops {
		for i := range l.counts {
			t.Counts[i] += l.counts[i].Load()
		}
		for i := range l.ended {
			t.Ended[i] += l.ended[i].Load()
		}
		t.Live += l.live.Load()
	}
	return t
}

// Attrs lists every figure as name, value, name, value, …, the form log/slog takes.
func (t Totals) Attrs() []any {
	list := []any{"connections", t.Live}
	for i, v := range t.Counts {
		list = append(list, Count(i).String(), v)
	}
	for i, v := range t.Ended {
		list = append(list, "ended_"+Cause(i).String(), v)
	}
	return list
}
