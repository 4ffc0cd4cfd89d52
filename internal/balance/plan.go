package balance

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"pen/affinity"
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
	Soft   int // most live connections for clients whose home it is not; 0 = no limit, for anybody
	Hard   int // most live connections for clients whose home it is; below Soft it means Soft
	Weight int // share under Weight and Hash; 0 = none under Weight
	Prio   int // under Prio the lowest goes first
}

// Plan is what the operator decided. It is immutable once published: an edit is a copy, Validate, Publish.
// The algorithms may be set together; the first in the order of the fields decides. With none of them it is round robin.
type Plan struct {
	Servers       []Server
	Emergency     *Server // used when no other server will do; nil = none
	RoundRobin    bool    // -r: the client memory is not used (it still counts)
	Prio          bool
	Weight        bool
	LeastConn     bool
	Hash          bool // consistent hash
	PenHash       bool // Pen's old placement; comes before Hash
	Stubborn      bool // never fail over
	BlacklistTime time.Duration
	Prefix        affinity.Prefix // how much of an address is one client
}

// Validate returns an error that names the first thing wrong with the plan, nil if Publish will take it.
// That the emergency server is also one of the others is allowed, as in Pen.
func (p *Plan) Validate() error {
	switch {
	case len(p.Servers) == 0 && p.Emergency == nil:
		return errors.New("the plan has no server and no emergency server")
	case len(p.Servers) > backend.MaxServers:
		return fmt.Errorf("the plan has %d servers, more than %d", len(p.Servers), backend.MaxServers)
	case p.BlacklistTime < 0:
		return fmt.Errorf("blacklist time %v is negative", p.BlacklistTime)
	case p.Prefix.V4 > 32 || p.Prefix.V6 > 128:
		return fmt.Errorf("prefix %d/%d is longer than an address, 32/128", p.Prefix.V4, p.Prefix.V6)
	}
	ids := make(map[backend.ID]int)
	names := make(map[string]int)
	for i := range p.Servers {
		s := &p.Servers[i]
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
	if p.Emergency != nil {
		if err := p.Emergency.validate(); err != nil {
			return fmt.Errorf("emergency server %q: %w", p.Emergency.Name, err)
		}
	}
	return nil
}

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
