package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"pen/internal/backend"
	"pen/internal/balance"
)

// anyUnixClient is how a client of a Unix socket is named to `explain`, as `recent` names them.
const anyUnixClient = "unix"

// askExplain says where a client would go now and why, one reason a line, the answer last.
func askExplain(in *Interpreter, _ Origin, args []string) (string, error) {
	text, err := argument(args, 1, "address of a client")
	if err != nil {
		return "", err
	}
	c, err := clientOf(text)
	if err != nil {
		return "", err
	}
	x, err := in.world.Explain(c)
	if err != nil {
		return "", err
	}
	var reply strings.Builder
	for _, step := range x.Steps {
		fmt.Fprintf(&reply, "%s: %s\n", step.Topic, step.Text)
	}
	return reply.String(), nil
}

// clientOf reads an address, with or without a port, which matters under pen_hash with roundrobin only.
func clientOf(text string) (balance.Client, error) {
	if text == anyUnixClient {
		return balance.Client{}, nil
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return balance.Client{Addr: at}, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return balance.Client{}, fmt.Errorf("%q is no address of a client; %s stands for those of Unix sockets", text, anyUnixClient)
	}
	return balance.Client{Addr: netip.AddrPortFrom(addr, 0)}, nil
}

// askSimulate says what a command would change.
func askSimulate(in *Interpreter, origin Origin, args []string) (string, error) {
	s, err := in.simulate(args[1:], origin)
	if err != nil {
		return "", err
	}
	return forecast(s), nil
}

// Simulate answers what the word `simulate` would, for an Onlooker. The error is about the command, unless memory has run out.
func (in *Interpreter) Simulate(command string) (*balance.Simulation, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.simulate(split(command), Onlooker)
}

// simulate runs a command on a copy: one of those that set something, or `file NAME`, which is a whole file of them, or `server N down` and `up`, which no operator can order.
func (in *Interpreter) simulate(rest []string, origin Origin) (*balance.Simulation, error) {
	if len(rest) > 0 && rest[0] == "file" {
		rest = append([]string{"include"}, rest[1:]...)
	}
	w, err := lookUp(rest)
	switch {
	case len(rest) == 0:
		return nil, errors.New("command to simulate is missing")
	case err != nil:
		return nil, err
	case w == nil || w.set == nil:
		return nil, fmt.Errorf("%q changes nothing that could be simulated", rest[0])
	}
	e := in.edit(origin)
	e.outages = make(map[int]bool)
	if err := w.set(e, rest); err != nil {
		return nil, err
	}
	then, err := e.suppose()
	if err != nil {
		return nil, err
	}
	return in.world.Simulate(then)
}

// supposes takes the words that `server N` has in a simulation only: that the server answers neither its checks nor clients any more, or both again. It reports whether the word was one.
func (e *edit) supposes(server int, word string) bool {
	up := word == "up"
	if e.outages == nil || e.files > 0 || !up && word != "down" {
		return false
	}
	e.outages[server] = !up
	e.slots = append(e.slots, slotEdit{server, func(s *backend.Slot) {
		s.SetProbe(up)
		if up {
			s.Forgive()
		}
	}})
	return true
}

// suppose turns an edit that is not going to be in force into what would be if it were.
func (e *edit) suppose() (balance.Supposition, error) {
	then := balance.Supposition{Down: make(map[backend.ID]bool)}
	if err := e.state.identify(e.in.world.Suppose()); err != nil {
		return then, err
	}
	if err := e.state.validate(); err != nil {
		return then, err
	}
	then.Plan, then.Tracking = e.state.Published(), e.state.Tracking
	then.Edits = e.slotEdits()
	for n := range e.outages {
		id := e.state.Plan.Servers[n].ID
		if id == backend.None {
			return then, fmt.Errorf("there is no server %d", n)
		}
		then.Down[id] = e.outages[n]
	}
	return then, nil
}

// forecast is a simulation in words: who moves, the load of each server, and in the last line how many in all.
func forecast(s *balance.Simulation) string {
	var reply strings.Builder
	for _, kind := range []struct {
		name string
		balance.Movement
	}{{"clients", s.Clients}, {"connections", s.Connections}} {
		for _, m := range kind.Moves {
			fmt.Fprintf(&reply, "%d %s move from %v to %v\n", m.Count, kind.name, m.From, m.To)
		}
	}
	for _, l := range s.Servers {
		fmt.Fprintf(&reply, "%v: clients %d now, %s then; connections %d now, %s then\n", l.Place,
			l.ClientsNow, share(l.ClientsThen, s.Clients.Total), l.ConnectionsNow, share(l.ConnectionsThen, s.Connections.Total))
	}
	fmt.Fprintf(&reply, "%d of %d clients and %d of %d connections move\n", s.Clients.Moved, s.Clients.Total, s.Connections.Moved, s.Connections.Total)
	return reply.String()
}

// share is a number, and how much of the total it is.
func share(n, total int) string {
	if total == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(total))
}
