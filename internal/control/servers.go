package control

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"pen/internal/backend"
	"pen/internal/balance"
)

// unknownAddress is how Pen writes that a server has no address, in four words and with the parenthesis left open.
const unknownAddress = "(unknown address family 0"

// setServer is `server N` and pairs of words. A pair that it does not know is passed over and told; a bad address ends it; what stood before is done: as in Pen.
func setServer(e *edit, args []string) error {
	n, err := serverArgument(args)
	if err != nil {
		return err
	}
	if servers := &e.state.Plan.Servers; n >= len(*servers) {
		*servers = append(*servers, make([]balance.Server, n+1-len(*servers))...)
		e.dirty = true
	}
	var all []error
	for rest := args[2:]; len(rest) > 0; {
		name := rest[0]
		if on := name == "drain"; on || name == "undrain" {
			e.slots = append(e.slots, slotEdit{n, func(s *backend.Slot) { s.SetDrained(on) }})
			rest = rest[1:]
			continue
		}
		if e.supposes(n, name) {
			rest = rest[1:]
			continue
		}
		if len(rest) == 1 {
			all = append(all, fmt.Errorf("%s: value is missing", name))
			break
		}
		if width := len(strings.Fields(unknownAddress)); name == "address" && len(rest) > width && strings.Join(rest[1:1+width], " ") == unknownAddress {
			rest = rest[1+width:]
			continue
		}
		if err := e.setServerPair(n, name, rest[1]); err != nil {
			all = append(all, fmt.Errorf("%s: %w", name, err))
			if name == "address" {
				break
			}
		}
		rest = rest[2:]
	}
	return together(all)
}

func serverArgument(args []string) (int, error) {
	text, err := argument(args, 1, "server number")
	if err != nil {
		return 0, err
	}
	n, err := atoi(text)
	if err == nil {
		err = within(n, 0, backend.MaxServers-1)
	}
	return n, err
}

func (e *edit) setServerPair(n int, name, value string) error {
	s := &e.state.Plan.Servers[n]
	switch name {
	case "address":
		return e.setAddress(n, value)
	case "port":
		return e.setPort(n, value)
	case "name":
		if !reachable(s.Addr) {
			return errors.New("the server has no address and port yet; give those first")
		}
		if s.Name != value {
			s.Name, s.ID, e.dirty = value, backend.None, true
		}
		return nil
	case "acl":
		list, err := listNumber(value)
		s.ACL, e.dirty = list, true
		return err
	case "max":
		return e.setLimit(&s.Soft, value)
	case "hard":
		return e.setLimit(&s.Hard, value)
	case "weight":
		return e.setLimit(&s.Weight, value)
	case "prio":
		return e.setLimit(&s.Prio, value)
	case "blacklist":
		d, err := seconds(value)
		now := e.in.world.Now()
		e.slots = append(e.slots, slotEdit{n, func(slot *backend.Slot) { ban(slot, d, now) }})
		return err
	default:
		return fmt.Errorf("unknown setting of a server, with value %q", value)
	}
}

// ban blacklists a server for a time from now, in place of whatever did, the automatic verdict too: Pen knows one kind, and the last word counts. No time at all lifts it.
// A ban that has run out stays on record, as in Pen, whose status column shows it and whose `blacklist` counts it anew.
func ban(slot *backend.Slot, d time.Duration, now int64) {
	slot.Ban(now + int64(d))
	slot.Forgive()
}

// setBlacklist sets how long a failed connect keeps a server out. As in Pen that holds for what is on record too, also if it has run out: a failure counts from when it was,
// and a ban, which Pen writes down as a failure so long ago that the rest of the blacklist time is the ban's, ends as much later or earlier as the new time is longer or shorter.
func setBlacklist(e *edit, args []string) error {
	before := e.state.Plan.BlacklistTime
	err := blacklistTime.set(e, args)
	if after := e.state.Plan.BlacklistTime; after != before {
		for n := balance.AbuseNumber; n < len(e.state.Plan.Servers); n++ {
			e.slots = append(e.slots, slotEdit{n, func(slot *backend.Slot) { recount(slot, before, after) }})
		}
	}
	return err
}

var blacklistTime = timeWord(func(s *State) *time.Duration { return &s.Plan.BlacklistTime }, 0, line)

// recount counts what is on record of a server by a new blacklist time. The loops go on meanwhile: the time of the last failure is read after the shun is lifted, so that none is lost.
func recount(slot *backend.Slot, before, after time.Duration) {
	failed := slot.ShunnedUntil() != 0 // after the last ban, which ends a shun
	if failed {
		slot.Forgive()
		slot.Shun(slot.LastFailure() + int64(after))
	}
	switch until := slot.BannedUntil(); {
	case failed && until <= slot.LastFailure():
		slot.Ban(0)
	case until != 0:
		slot.Ban(until + int64(after-before))
	}
}

// BlacklistedAt is what Pen calls a server's status, unix ns: when a connect to it failed last, 0 for never. After a ban it is the time that Pen writes down for one (setBlacklist).
func BlacklistedAt(slot *backend.Slot, blacklist time.Duration) int64 {
	if until := slot.BannedUntil(); until != 0 && slot.ShunnedUntil() == 0 && slot.LastFailure() <= until {
		return until - int64(blacklist)
	}
	return slot.LastFailure()
}

func (e *edit) setLimit(to *int, value string) error {
	n, err := atoi(value)
	if n < 0 {
		return within(n, 0, math.MaxInt32)
	}
	*to, e.dirty = n, true
	return err
}

// setAddress moves a server to another host. The port stays. One that is where it was, by whatever name, stays who it is.
func (e *edit) setAddress(n int, value string) error {
	s := &e.state.Plan.Servers[n]
	var to balance.Address
	if strings.Contains(value, "/") {
		if err := e.mayUse(value); err != nil {
			return err
		}
		to.Path = value
	} else {
		addr, err := e.address(value)
		if err != nil {
			return err
		}
		to.IP = netip.AddrPortFrom(addr, s.Addr.IP.Port())
	}
	if to != s.Addr {
		s.Addr, s.Name, s.ID, e.dirty = to, nameOf(value, to), backend.None, true
	}
	return nil
}

// setPort moves a server to another port. Before it has an address Pen does not keep the port, and a Unix socket has none.
func (e *edit) setPort(n int, value string) error {
	s := &e.state.Plan.Servers[n]
	port, err := atoi(value)
	if err == nil {
		err = within(port, 0, math.MaxUint16)
	}
	switch {
	case err != nil || s.Addr.Path != "" || s.Addr == (balance.Address{}) && port == 0:
		return err
	case s.Addr == balance.Address{}:
		return errors.New("the server has no address yet; give that first")
	}
	if to := withPort(s.Addr, uint16(port)); to != s.Addr {
		s.Addr, s.Name, s.ID, e.dirty = to, nameOf(hostOf(s.Name, s.Addr), to), backend.None, true
	}
	return nil
}

// unsetServer makes the number one that was skipped. The other servers keep theirs.
func unsetServer(e *edit, args []string) error {
	n, err := serverArgument(args)
	if err != nil {
		return err
	}
	if servers := e.state.Plan.Servers; n < len(servers) {
		servers[n] = balance.Server{}
	}
	return nil
}

func setEmergency(e *edit, args []string) error { return e.setSpecial(&e.state.Plan.Emergency, args) }

func setAbuse(e *edit, args []string) error { return e.setSpecial(&e.state.Plan.Abuse, args) }

// setSpecial sets the emergency or the abuse server, which are told in one word as on the command line.
func (e *edit) setSpecial(to **balance.Server, args []string) error {
	if len(args) < 2 {
		return nil
	}
	s, err := e.parseSpec(args[1])
	if err != nil {
		return err
	}
	if old := *to; old != nil && old.Addr == s.Addr && old.Name == s.Name {
		s.ID = old.ID
	}
	*to, e.dirty = &s, true
	return nil
}

// parseSpec reads host[:port[:soft[:hard[:weight[:prio]]]]], an IPv6 address in brackets, or a path. A port that is not given is the one listened on.
func (e *edit) parseSpec(text string) (s balance.Server, err error) {
	if strings.Contains(text, "/") {
		return balance.Server{Name: text, Addr: balance.Address{Path: text}}, e.mayUse(text)
	}
	host, rest, _ := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") {
		host, rest, _ = strings.Cut(text[1:], "]")
		rest = strings.TrimPrefix(rest, ":")
	}
	addr, err := e.address(host)
	if err != nil {
		return s, err
	}
	fields := slices.DeleteFunc(strings.Split(rest, ":"), func(f string) bool { return rest == "" })
	if len(fields) == 0 {
		_, port, _ := splitListen(e.state.Listen)
		fields = []string{port}
	}
	port, err := strconv.ParseUint(fields[0], 10, 16)
	if err != nil || port == 0 {
		return s, fmt.Errorf("port %q is not one of 1 to %d", fields[0], math.MaxUint16)
	}
	numbers := []*int{&s.Soft, &s.Hard, &s.Weight, &s.Prio}
	if len(fields)-1 > len(numbers) {
		return s, fmt.Errorf("%q has more than port, soft and hard limit, weight and priority", text)
	}
	for i, f := range fields[1:] {
		if *numbers[i], err = atoi(f); err == nil {
			err = within(*numbers[i], 0, math.MaxInt32)
		}
		if err != nil {
			return s, err
		}
	}
	s.Addr.IP = netip.AddrPortFrom(addr, uint16(port))
	s.Name = nameOf(host, s.Addr)
	return s, nil
}

// spec is the text that parseSpec reads, "" for no server.
func spec(s *balance.Server) string {
	if s == nil {
		return ""
	}
	if s.Addr.Path != "" {
		return s.Addr.Path
	}
	text := nameOf(hostOf(s.Name, s.Addr), s.Addr)
	if s.Soft|s.Hard|s.Weight|s.Prio != 0 {
		text += fmt.Sprintf(":%d:%d:%d:%d", s.Soft, s.Hard, s.Weight, s.Prio)
	}
	return text
}

// splitListen splits [host:]port; "*", as a host, and none are every address. The text of a path is no such thing.
func splitListen(text string) (host, port string, err error) {
	if strings.Contains(text, "/") {
		return "", "", fmt.Errorf("%q is a path", text)
	}
	if !strings.Contains(text, ":") {
		return "", text, nil
	}
	if host, port, err = net.SplitHostPort(text); host == "*" {
		host = ""
	}
	return host, port, err
}
