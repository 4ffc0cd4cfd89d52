// Package status shows a snapshot of the balancer: as Pen's HTML page, and as the text that Pen dumps on SIGUSR1.
//
// A Page is plain data, filled by whoever knows the figures. Nothing here asks for more, so every way of showing it shows the same moment.
package status

import (
	"net/netip"
	"time"
)

// Page is a snapshot. It belongs to one goroutine; the methods do not change it.
type Page struct {
	Time    time.Time // shown in its own location; Pen shows local time
	Current int       // the server that was tried last; -1 is the emergency server, -2 the abuse server

	Servers     []Server
	Clients     []Client     // those the table remembers
	Connections []Connection // those that are open

	ConnMax, ConnUsed, ConnLast int // connections: most at once, now, and the number that was given out last
	ClientsMax                  int // places in the client table
}

// Server is a regular server. The emergency and the abuse server are not among them (PEN.md 1.11).
type Server struct {
	Index       int
	Address     string    // without the port, or the path of a Unix socket; empty for a number between others that was never given an address
	Failed      time.Time // when a connect failed last, or what Pen makes of a blacklisting by hand, which it calls status; zero if none did
	Port        int       // Pen's is 1 for a Unix socket
	Connections int
	Soft, Hard  int    // limits on connections; 0 is none
	Sent        uint64 // bytes to the server
	Received    uint64 // bytes from it
	Weight      int
	Prio        int
}

// Client is an entry of the client table.
type Client struct {
	Index    int
	Address  netip.Addr // invalid: the clients on a Unix socket, whose address Pen leaves empty
	LastUsed time.Time  // its last connect
	Server   int        // its server; -1 is the emergency server, -2 the abuse server, -3 nobody
	Connects uint64
	Sent     uint64 // bytes to the client
	Received uint64 // bytes from it
}

// Connection is an open connection. Down is the client's side, up the server's.
type Connection struct {
	Index                  int
	DownFD, UpFD           int // descriptors; -1 is none
	PendingDown, PendingUp int // bytes read and not yet written, on their way to that side
	Client, Server         int // their Index
}

// noAddress is what Pen prints for a server number that was never given an address; the bracket is not closed there either.
const noAddress = "(unknown address family 0"

// dateFormat is Pen's, in the page and in the dump.
const dateFormat = "2006-01-02 15:04:05"

func (s *Server) address() string {
	if s.Address == "" {
		return noAddress
	}
	return s.Address
}

// failed is the status column: unix seconds, 0 for never.
func (s *Server) failed() int64 {
	if s.Failed.IsZero() {
		return 0
	}
	return s.Failed.Unix()
}

// address is empty for the clients on a Unix socket.
func (c *Client) address() string {
	if !c.Address.IsValid() {
		return ""
	}
	return c.Address.WithZone("").String()
}
