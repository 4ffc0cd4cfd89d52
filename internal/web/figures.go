package web

import (
	"net/netip"
	"time"

	"pen/internal/account"
	"pen/internal/backend"
	"pen/internal/balance"
)

// World is what the window looks at. Its methods are safe for concurrent use.
type World interface {
	// Figures reads counters only: no loop is asked and no lock of the traffic's is taken.
	Figures() Figures
	// Client returns what is remembered of one client, without counting a visit.
	Client(addr netip.Addr) (Client, bool)
	// Clients yields every client that is remembered, until yield returns false. It takes as long as the table is large.
	Clients(yield func(Client) bool)
	// Connections returns the open connections by their numbers. Each loop is asked in turn.
	Connections() []Connection
	// Closes returns the trails of the last connections that ended abnormally, the oldest first. Each loop is asked in turn.
	Closes() []account.Trail
	// Explain says where a client would go now and why, the answer last. It changes nothing.
	Explain(addr netip.Addr) ([]Step, error)
	// Simulate says who would be led elsewhere if a command were obeyed. It changes nothing, and takes as long as the table is large. The command names no files and no hosts.
	Simulate(command string) (*balance.Simulation, error)
	// Settings is the configuration in force.
	Settings() []Group
	// Do runs one control command and returns the reply. The error is the verdict.
	Do(command string) (reply string, err error)
}

// Figures is what is counted, at about one moment: each figure is true, together they are of slightly different moments.
type Figures struct {
	Time     time.Time `json:"time"`
	Started  time.Time `json:"started"`
	Version  string    `json:"version"`
	Listen   string    `json:"listen"`
	Ready    bool      `json:"ready"`    // there is a server for a new client
	Draining bool      `json:"draining"` // the process is about to end

	Totals     Totals    `json:"totals"`
	Servers    []Server  `json:"servers"`
	Others     []Other   `json:"others"`      // with those of Servers they make the endings of Totals
	TimeBounds []float64 `json:"time_bounds"` // Bounds
	Clients    Table     `json:"clients"`
	Loops      Loops     `json:"loops"`
	LogDropped uint64    `json:"log_lines_dropped"` // that the access log had no room for

	Listening Listening `json:"listening"`
}

// Totals are the sums over all loops.
type Totals struct {
	Connections    int64             `json:"connections"`
	MaxConnections int               `json:"max_connections"`
	InQueue        int64             `json:"in_queue"` // of the connections: waiting for a server
	Counts         map[string]uint64 `json:"counts"`
	Ended          map[string]uint64 `json:"ended"` // by cause
}

// NewTotals names the sums of the ledgers.
func NewTotals(t account.Totals, most int) Totals {
	named := Totals{Connections: t.Live, MaxConnections: most, InQueue: t.Queued, Counts: map[string]uint64{}, Ended: map[string]uint64{}}
	for i, n := range t.Counts {
		named.Counts[account.Count(i).String()] = n
	}
	for i, n := range t.Ended {
		named.Ended[account.Cause(i).String()] = n
	}
	return named
}

// Server is one server of the plan.
type Server struct {
	Number  int    `json:"number"` // -1: the emergency server; -2: the abuse server
	Name    string `json:"name"`
	Address string `json:"address"`

	Usable      bool      `json:"usable"`
	Out         []string  `json:"out"`                // why it is not usable: Reasons; empty when it is
	OutUntil    time.Time `json:"out_until,omitzero"` // when the shun or the ban ends
	LastFailure time.Time `json:"last_failure,omitzero"`

	Connections int    `json:"connections"`
	Soft        int    `json:"soft_limit"` // 0 = none
	Hard        int    `json:"hard_limit"`
	Weight      int    `json:"weight"`
	Prio        int    `json:"prio"`
	Connects    uint64 `json:"connects"`   // that succeeded
	Failures    uint64 `json:"failures"`   // connects that failed
	BytesUp     uint64 `json:"bytes_up"`   // from clients; up to 1 MiB behind for each running connection
	BytesDown   uint64 `json:"bytes_down"` // for clients

	Checks Checks `json:"checks"`
	Tally
}

// The reasons for which a server is out.
const (
	ProbeDown   = "check"       // its checks fail
	Shunned     = "failure"     // a connect failed a short while ago
	Blacklisted = "blacklisted" // the operator's word: nobody goes there
	Drained     = "drained"     // the operator's word: no new clients
)

// Reasons lists every reason, those of the operator first.
var Reasons = []string{Blacklisted, Drained, ProbeDown, Shunned}

// Judge fills in what a slot says of the server's health at now, unix ns.
func (s *Server) Judge(slot *backend.Slot, now int64) {
	h := slot.Health(now)
	s.Usable, s.Out = h.Usable(), []string{}
	for _, v := range []struct {
		holds bool
		why   string
	}{{h.Banned, Blacklisted}, {h.Drained, Drained}, {h.ProbeDown, ProbeDown}, {h.Shunned, Shunned}} {
		if v.holds {
			s.Out = append(s.Out, v.why)
		}
	}
	var until int64
	if h.Shunned {
		until = slot.ShunnedUntil()
	}
	if h.Banned {
		until = max(until, slot.BannedUntil())
	}
	s.OutUntil, s.LastFailure = moment(until), moment(slot.LastFailure())
}

// moment is a time of unix ns, of which 0 is none.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// Listening is about clients that wait to be accepted. 0 is also what cannot be known: the queues of Unix sockets, the counters of a kernel without /proc.
type Listening struct {
	Waiting   int    `json:"waiting"`        // in all our listen queues
	Most      int    `json:"most"`           // that these hold
	Overflows uint64 `json:"host_overflows"` // of any listen queue in this network namespace, ours or not, since the host started
	Drops     uint64 `json:"host_drops"`     // connections that any listener there lost before it accepted them, for want of room or other
}

// Table is the state of the client table.
type Table struct {
	Known   int    `json:"known"`
	Slots   int    `json:"slots"`
	Evicted uint64 `json:"evicted"` // forgotten to make room
	Bytes   uint64 `json:"bytes"`   // of memory reserved
}

// Loops is the state of the event loops together.
type Loops struct {
	Count     int    `json:"count"`
	CPUs      []int  `json:"cpus"` // that they are pinned to, in turn; empty: not pinned
	Poller    string `json:"poller"`
	PipesOpen int    `json:"pipes_open"`
	PipesIdle int    `json:"pipes_idle"` // of those open
	PipesMost int    `json:"pipes_most"` // open at once
	Refused   uint64 `json:"pipes_refused"`
	PipeSize  int    `json:"pipe_size"` // bytes, the smallest that the kernel granted; 0 before the first

	Each      []Loop  `json:"each"`
	Imbalance float64 `json:"accept_imbalance"` // of late: 1 is even; filled in by the Window
}

// Client is one client that is remembered.
type Client struct {
	Address   string    `json:"address"` // "unix": those on a Unix socket
	Server    int       `json:"server"`  // the number of its home; -3 = none
	LastSeen  time.Time `json:"last_seen"`
	Connects  uint32    `json:"connects"`
	BytesUp   uint64    `json:"bytes_up"`
	BytesDown uint64    `json:"bytes_down"`
}

// Connection is one open connection.
type Connection struct {
	Number      int    `json:"number"`
	Client      string `json:"client"` // "unix": on a Unix socket; "": none, kept open for whoever comes
	Server      int    `json:"server"` // its number; -3 = none yet
	Connecting  bool   `json:"connecting"`
	PendingUp   int    `json:"pending_up"`   // bytes read and not yet written to the server
	PendingDown int    `json:"pending_down"` // and to the client
}

// Step is one reason for where a client would go.
type Step struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
}

// Group is a part of the configuration with its heading.
type Group struct {
	Title    string    `json:"title"`
	Settings []Setting `json:"settings"`
}

// Setting is one setting, named as the flag that sets it.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
