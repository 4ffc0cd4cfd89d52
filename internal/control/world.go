package control

import (
	"errors"
	"net/netip"
	"time"

	"pen/internal/backend"
	"pen/internal/balance"
)

// ErrNotSupported is wrapped by the error of a word that Pen has and pen has not yet. Its reply is Pen's and nothing changes.
var ErrNotSupported = errors.New("not supported yet")

// World is what the language asks of the rest of the process. An Interpreter makes one call at a time.
type World interface {
	// Claim returns the slot of a server identity, which is Server.Name: host:port, a path, or what the word `name` says.
	Claim(identity string) (backend.ID, error)
	// Suppose returns what answers as Claim would and claims nothing.
	Suppose() func(identity string) (backend.ID, error)
	// Slot returns the slot of a claimed id.
	Slot(id backend.ID) *backend.Slot
	// Now is the time that the loops go by, unix ns.
	Now() int64
	// Resolve looks a host name up. It may block; it is not called for addresses.
	Resolve(host string) (netip.Addr, error)

	// Apply makes the new state real, wholly or not at all: an error says that nothing has changed. The plan to publish is updated.Published().
	// It is called once Start has been, with states that it may keep and may not write to.
	Apply(current, updated *State) error
	// Settle makes the byte counts of running connections exact.
	Settle()

	// Connections yields the open connections in the order of their numbers, until yield returns false.
	Connections(yield func(Connection) bool)
	// CloseConnection closes connection n at once and reports whether there was one.
	CloseConnection(n int) bool
	// Clients yields the client table, until yield returns false.
	Clients(yield func(Client) bool)
	// Explain says where a client would go now and why. It changes nothing.
	Explain(c balance.Client) (*balance.Explanation, error)
	// Simulate says who would move if what is supposed came true. It changes nothing.
	Simulate(then balance.Supposition) (*balance.Simulation, error)
	// Closes yields what is remembered of connections that ended abnormally, one line each, the oldest first, until yield returns false.
	Closes(yield func(line string) bool)
	// IdlersOpen is how many connections to servers stand open with no client.
	IdlersOpen() int
	// StatusPage returns the HTML page after it has written it to State.WebStats.
	StatusPage() ([]byte, error)

	// Exit starts a clean exit and returns.
	Exit()
	// ControlAddress is the address of the control port as it was given, "" if there is none.
	ControlAddress() string
	// CommandLine is the command that would start this process again, for a comment.
	CommandLine() string
}

// Connection is one open connection, as the words `connection` and `socket` tell it.
type Connection struct {
	Number         int
	State          int // as in Pen: 1 while the server is being connected to, 2 when it is
	DownFD, UpFD   int // the client's and the server's socket; -1 = none
	Client, Server int // their numbers on the status page
	Pending        int // bytes read and not yet sent, both directions
}

// Client is one line of the client table, as the word `recent` tells it.
type Client struct {
	Addr           netip.Addr // invalid: the Unix clients, which are one
	Connects       uint32
	Sent, Received uint64        // bytes to and from the client
	Age            time.Duration // since its last connect
}
