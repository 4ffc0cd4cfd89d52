package control

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"pen/internal/backend"
	"pen/internal/balance"
)

// State is everything that the language can set. One that is in force is never written to.
type State struct {
	// Plan is as the operator edits it: a server may have an address and no port yet. What to publish is Published.
	// Countries is not the language's and passes through; without it no list takes a country.
	Plan balance.Plan

	ControlACL int           // the list that peers of the control port are held against
	Tracking   time.Duration // how long a client is remembered; 0 = for ever
	ClientsMax int           // slots of the client table
	PendingMax int           // kept for `write`: no limit on pending connects is needed
	Debug      int           // debug level
	Listen     string        // [host:]port or a path; "" = not known yet
	Log        string        // path or host:port; "" = none
	WebStats   string        // path; "" = none

	// Pen's switches that change nothing here and are kept for `write`.
	Ascii, Peek, AbortOnError bool
}

// clone returns a copy that may be edited. Lists are immutable values, and Emergency and Abuse are replaced and never written to, so they may be shared.
func (s *State) clone() State {
	c := *s
	c.Plan.Servers = slices.Clone(s.Plan.Servers)
	return c
}

// Published returns the plan for the balancer: that of the state, in which a server that is half told, and cannot be reached, is a number that was skipped.
func (s *State) Published() *balance.Plan {
	p := s.clone().Plan
	for i := range p.Servers {
		if !reachable(p.Servers[i].Addr) {
			p.Servers[i] = balance.Server{}
		}
	}
	return &p
}

// server returns the server of a number, nil if there is no emergency or abuse server.
func (s *State) server(n int) *balance.Server {
	switch n {
	case balance.EmergencyNumber:
		return s.Plan.Emergency
	case balance.AbuseNumber:
		return s.Plan.Abuse
	}
	return &s.Plan.Servers[n]
}

// reachable reports that one can connect to the address.
func reachable(a balance.Address) bool {
	return a.Path != "" || a.IP.Addr().IsValid() && a.IP.Port() != 0
}

// identify names the servers that are new or have moved and claims a slot for each. A server that stayed keeps its name, so that its clients keep their server;
// of several with the same address those that come later get a "#2", "#3" behind the name, as two servers in one place are still two.
func (s *State) identify(claim func(string) (backend.ID, error)) error {
	taken := make(map[string]bool)
	for i := range s.Plan.Servers {
		if v := &s.Plan.Servers[i]; v.ID != backend.None {
			taken[v.Name] = true
		}
	}
	for i := range s.Plan.Servers {
		v := &s.Plan.Servers[i]
		if v.ID != backend.None || !reachable(v.Addr) {
			continue
		}
		base := v.Name
		for n := 2; taken[v.Name]; n++ {
			v.Name = fmt.Sprintf("%s#%d", base, n)
		}
		taken[v.Name] = true
		var err error
		if v.ID, err = claim(v.Name); err != nil {
			return err
		}
	}
	for _, to := range []**balance.Server{&s.Plan.Emergency, &s.Plan.Abuse} {
		if *to == nil || (*to).ID != backend.None {
			continue
		}
		v := **to
		var err error
		if v.ID, err = claim(v.Name); err != nil {
			return err
		}
		*to = &v
	}
	return nil
}

// validate returns an error for a state that may not be put in force. That there is no server at all yet is fine: the words that add some are still to come.
func (s *State) validate() error {
	if s.Plan.OnNoServer == balance.CloseListener && strings.Contains(s.Listen, "/") {
		return fmt.Errorf("on_no_server close-listener: %s is a Unix socket, which cannot be closed and opened again; use accept or reset", s.Listen)
	}
	p := s.Published()
	if len(p.Servers) == 0 && p.Emergency == nil {
		return nil
	}
	return p.Validate()
}

// nameOf is what a server is called if the operator gave it no name: host:port as written, or the path.
func nameOf(host string, a balance.Address) string {
	if a.Path != "" {
		return a.Path
	}
	return net.JoinHostPort(host, strconv.Itoa(int(a.IP.Port())))
}

// hostOf is the host in a name that nameOf made for address a, and the address itself if the name is another.
func hostOf(name string, a balance.Address) string {
	host, port, err := net.SplitHostPort(name)
	if err != nil || port != strconv.Itoa(int(a.IP.Port())) {
		return a.IP.Addr().String()
	}
	return host
}

// withPort is a with another port.
func withPort(a balance.Address, port uint16) balance.Address {
	a.IP = netip.AddrPortFrom(a.IP.Addr(), port)
	return a
}
