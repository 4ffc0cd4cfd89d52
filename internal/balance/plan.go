package balance

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"pen/affinity"
	"pen/internal/acl"
	"pen/internal/backend"
)

// Address is where a server listens: an IP address and port, or the path of a Unix socket.
type Address struct {
	IP   netip.AddrPort
	Path string // not empty: a Unix socket, and IP is not looked at
}

// String returns the address as one would dial it: 10.0.0.1:80, [::1]:80, /run/x.sock.
func (a Address) String() string {
	if a.Path != "" {
		return a.Path
	}
	return a.IP.String()
}

// valid reports that the address can be connected to. Port 0 cannot.
func (a Address) valid() bool { return a.Path != "" || a.IP.IsValid() && a.IP.Port() != 0 }

// Server is one server of a Plan.
type Server struct {
	ID     backend.ID // its slot; claimed by whoever makes the Plan
	Name   string     // as configured; the hash goes by it, so that neither its place in the list nor its address matters
	Addr   Address
	Host   string // the address alone, as Pen's log names a server
	Soft   int    // most live connections for clients whose home it is not; 0 = no limit, for anybody
	Hard   int    // most live connections for clients whose home it is; below Soft it means Soft
	Weight int    // share under Weight and Hash; 0 = none under Weight
	Prio   int    // under Prio the lowest goes first
	ACL    int    // the list that clients of this server are held against; a denied one goes to the next server
}

// The numbers that Pen has for servers besides those of Plan.Servers.
const (
	EmergencyNumber = -1
	AbuseNumber     = -2
	NoNumber        = -3 // nobody
)

// Plan is what the operator decided. It is immutable once published: an edit is a copy, Validate, Publish.
type Plan struct {
	// Servers stand under the numbers the operator knows them by. One without an address is a number that was skipped: nobody is sent there.
	Servers   []Server
	Emergency *Server // used when no other server will do; nil = none
	Abuse     *Server // for clients that ClientACL denies; nil = they are closed

	// The algorithms may be set together; the first in the order of the fields decides. With none of them it is round robin.
	RoundRobin    bool // -r: the client memory is not used, but for the hard limit (it still counts)
	Prio          bool
	Weight        bool
	LeastConn     bool
	Hash          bool // consistent hash
	PenHash       bool // Pen's old placement; comes before Hash
	Stubborn      bool // never fail over
	BlacklistTime time.Duration
	Prefix        affinity.Prefix // how much of an address is one client

	// What one client may have. A change is for connections that begin after it.
	Limits    affinity.Limits
	OverLimit Answer // what a client gets that asks for more
	Exempting bool   // Limits are not for clients that ExemptACL lets in
	ExemptACL int

	// Who may come in at all. Every server has a list of its own besides.
	Lists     acl.Lists
	Countries acl.Countries // nil = no country is known
	ClientACL int           // the list that clients are held against

	// What the loops go by. A change is for connections that begin after it, but for the timeouts of the balancer's own and the fast close, which hold at once.
	MaxConns          int // at once, over all loops
	AcceptRate        int // connections accepted a second, over all loops; 0 = as many as come
	AcceptBurst       int // connections accepted at once all the same, at least 1 if there is a rate
	ConnectTimeout    time.Duration
	FirstByteTimeout  time.Duration // from a connection's beginning to the client's first byte; 0 = never
	IdleTimeout       time.Duration // with no byte moved; 0 = never
	HalfClosedTimeout time.Duration // the same of a connection of which one direction has ended; 0 = never
	StallTimeout      time.Duration // with bytes waiting in a direction and none of them moved; 0 = never
	Lifetime          time.Duration // of a connection; 0 = without end
	Queue             int           // clients that may wait for a server while all that would do are at their limits, over all loops; 0 = none: they are closed
	QueueTimeout      time.Duration // how long each may
	OnNoServer        OnNoServer

	FastClose   FastClose
	NoDelay     bool
	Keepalive   time.Duration // idle time before the first probe; 0 = off
	UserTimeout time.Duration // how long sent bytes may stay unacknowledged; 0 = the system's
	Source      netip.Addr    // the address to connect to servers from; invalid = the system's choice
	Transparent bool          // connect to servers from the client's own address, unless Source is set
	Forwarded   bool          // -H: tell servers the client's address in an HTTP header
	Dummy       bool          // answer every client ourselves: a test of the way to us
	Idlers      int           // connections to servers kept open with no client
}

// FastClose says whose end of stream ends the whole connection, without waiting for the other side's.
type FastClose uint8

// The two may be set together.
const (
	FastUp   FastClose = 1 << iota // the server's
	FastDown                       // the client's
)

// Validate returns an error that names the first thing wrong with the plan, nil if Publish will take it.
// That the emergency server is also one of the others is allowed, as in Pen; such a one may come up twice in one Attempt.
func (p *Plan) Validate() error {
	switch {
	case len(p.Servers) == 0 && p.Emergency == nil:
		return errors.New("the plan has no server and no emergency server")
	case len(p.Servers) > backend.MaxServers:
		return fmt.Errorf("the plan has %d servers, more than %d", len(p.Servers), backend.MaxServers)
	case p.BlacklistTime < 0:
		return fmt.Errorf("blacklist time %v is negative", p.BlacklistTime)
	case p.OverLimit > ToAbuse:
		return fmt.Errorf("answer %d to clients over a limit is not one of 0 to %d", p.OverLimit, ToAbuse)
	case p.Prefix.V4 > 32 || p.Prefix.V6 > 128:
		return fmt.Errorf("prefix %d/%d is longer than an address, 32/128", p.Prefix.V4, p.Prefix.V6)
	}
	if err := p.Limits.Validate(); err != nil {
		return fmt.Errorf("client limits: %w", err)
	}
	ids := make(map[backend.ID]int)
	names := make(map[string]int)
	for i := range p.Servers {
		s := &p.Servers[i]
		if s.unset() {
			continue
		}
		if err := s.validate(); err != nil {
			return fmt.Errorf("server %d %q: %w", i, s.Name, err)
		}
		if j, ok := ids[s.ID]; ok {
			return fmt.Errorf("server %d %q: the same as server %d %q", i, s.Name, j, p.Servers[j].Name)
		}
		ids[s.ID] = i
		if j, ok := names[s.Name]; ok {
			return fmt.Errorf("server %d %q: server %d has the same name", i, s.Name, j)
		}
		names[s.Name] = i
	}
	for what, s := range map[string]*Server{"emergency": p.Emergency, "abuse": p.Abuse} {
		if s == nil {
			continue
		}
		if err := s.validate(); err != nil {
			return fmt.Errorf("%s server %q: %w", what, s.Name, err)
		}
	}
	return nil
}

// unset reports whether the server is a number that was skipped.
func (s *Server) unset() bool { return s.ID == backend.None && s.Addr == Address{} }

func (s *Server) validate() error {
	switch {
	case s.ID == backend.None:
		return errors.New("no slot has been claimed for it")
	case s.ID > backend.MaxServers:
		return fmt.Errorf("slot %d is not one of 1 to %d", s.ID, backend.MaxServers)
	case s.Name == "":
		return errors.New("it has no name")
	case !s.Addr.valid():
		return fmt.Errorf("invalid address %q: want an IP address and a port from 1 to 65535, or a path", s.Addr)
	}
	for _, n := range []struct {
		what  string
		value int
	}{{"soft limit", s.Soft}, {"hard limit", s.Hard}, {"weight", s.Weight}, {"priority", s.Prio}} {
		if n.value < 0 || n.value > math.MaxInt32 {
			return fmt.Errorf("%s %d is not one of 0 to %d", n.what, n.value, math.MaxInt32)
		}
	}
	return nil
}
