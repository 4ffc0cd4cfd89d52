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
	RateReached               // times accepting stopped at the accept rate
	Refused                   // connects that failed, the server's doing
	TimedOut                  // connects that took longer than the connect timeout
	LocalErrors               // connects that failed, our own doing (descriptors, ports, memory)
	Stale                     // events for a descriptor number that has a new owner or none: harmless
	BytesUp                   // from clients to servers
	BytesDown                 // from servers to clients
	BytesSpliced              // those of either direction that never entered user space
	BytesCopied               // and those that did
	Returned                  // clients that came, known with a server
	Newcomers                 // and those that had none
	Events                    // handled; up to a few behind
	BusyTime                  // spent on them and on what comes of them, ns: an estimate
	Queued                    // clients that had to wait for a server, once for each time that they began to
	Tarpitted                 // connections held in the tarpit
	nCounts
)

var countNames = [nCounts]string{"accepted", "accept_errors", "accept_pauses", "limit_reached", "accept_rate_reached", "connects_refused", "connects_timed_out", "local_errors",
	"stale_events", "bytes_up", "bytes_down", "spliced", "copied", "clients_returned", "clients_new", "events", "busy_ns", "queued", "tarpitted"}

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
	FirstByte                    // the client said nothing in time that could be passed on
	HalfClosed                   // one direction had ended and nothing moved in the other for too long
	ClientStalled                // bytes waited for the client for too long, and it took none
	ServerStalled                // nor did the server
	Lifetime                     // as old as a connection may become
	QueueTimedOut                // waited in the queue for a server to have room, and none had in time
	ClientLimit                  // the client has as many connections as one client may
	ClientRate                   // the client makes connections faster than one client may
	nCauses
)

var causeNames = [nCauses]string{"client_fin", "server_fin", "client_reset", "server_reset", "no_server", "idle", "drained", "local", "denied", "forced", "bad_request", "answered",
	"connect_refused", "connect_timeout", "limit", "client_lost", "server_lost",
	"first_byte", "half_closed", "client_stalled", "server_stalled", "lifetime", "queue_timeout", "client_limit", "client_rate"}

func (c Cause) String() string { return causeNames[c] }

// Loop is the ledger of one event loop.
type Loop struct {
	_ [64]byte // keeps neighbours' counters off this loop's cache lines

	// atomic: written by the loop only, read by anyone
	counts [nCounts]atomic.Uint64
	live   atomic.Int64
	queued atomic.Int64

	servers servers

	_ [64]byte
}

// Add adds to a total. Only the loop that owns the ledger may call it: there is one writer, so that a load and a store do.
func (l *Loop) Add(c Count, n uint64) { l.counts[c].Store(l.counts[c].Load() + n) }

// Opened counts a connection in.
func (l *Loop) Opened() {
	l.Add(Accepted, 1)
	l.live.Store(l.live.Load() + 1)
}

// Wait counts a connection in that begins to wait for a server.
func (l *Loop) Wait() {
	l.Add(Queued, 1)
	l.queued.Store(l.queued.Load() + 1)
}

// Waited counts it out.
func (l *Loop) Waited() { l.queued.Store(l.queued.Load() - 1) }

// Totals is what a ledger says, or the sum over several.
type Totals struct {
	Counts [nCounts]uint64
	Ended  [nCauses]uint64
	Live   int64
	Queued int64 // of these: in the queue, waiting for a server
}

func (t *Totals) include(of *Totals) {
	for i, n := range of.Counts {
		t.Counts[i] += n
	}
	for i, n := range of.Ended {
		t.Ended[i] += n
	}
	t.Live += of.Live
	t.Queued += of.Queued
}

// Attrs lists every figure as name, value, name, value, …, the form log/slog takes.
func (t Totals) Attrs() []any {
	list := []any{"connections", t.Live, "in_queue", t.Queued}
	for i, v := range t.Counts {
		list = append(list, Count(i).String(), v)
	}
	for i, v := range t.Ended {
		list = append(list, "ended_"+Cause(i).String(), v)
	}
	return list
}
