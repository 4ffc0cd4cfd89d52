package balance

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pen/internal/backend"
)

// FuzzChoose lets connections of a few clients look for servers by any plan, in any health that changes as they go, and holds each answer against what a client
// may be told at that moment. While nothing changes, the whole walk must be the one that a plain list gives.
func FuzzChoose(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x03\x00\x00\x01\x01\x02\x03\x02\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x05\x01\x00\x00\x00\x03\x02\x02"))
	f.Add([]byte("\x09123456789012345678901234567890123456789012345678901234567890"))
	f.Add([]byte("\x05abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ987654321"))
	f.Add([]byte("\x02\x01\x02\x00\x00\x01\x02\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01\x00\x01\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, input []byte) { runScript(t, input) })
}

// The same over inputs drawn from one seed, since a plain test run has FuzzChoose's seeds only.
func TestChooseAtRandom(t *testing.T) {
	const seed, scripts = 1, 1500
	random := rand.New(rand.NewPCG(seed, seed))
	for i := range scripts {
		input := make([]byte, 20+random.IntN(180))
		for j := range input {
			input[j] = byte(random.Uint32())
		}
		if !t.Run(fmt.Sprint(i), func(t *testing.T) { runScript(t, input) }) {
			t.Fatalf("seed %d, script %d: %q", seed, i, input)
		}
	}
}

func runScript(t *testing.T, input []byte) {
	s := &script{input: input}
	plan, servers := s.plan()
	f := newFarm(t, plan, servers...)
	for connection := 0; connection < 8 && len(s.input) > 0; connection++ {
		s.connection(f)
		f.now += int64(s.upTo(4)) * int64(blacklist) / 3
	}
	for _, slot := range s.held {
		slot.Release()
	}
	f.idle()
}

// script reads a fuzz input: small numbers one after the other, 0 for ever when it ends.
type script struct {
	input []byte
	held  []*backend.Slot // live connections of nobody in particular
}

func (s *script) upTo(n int) int {
	if len(s.input) == 0 {
		return 0
	}
	b := s.input[0]
	s.input = s.input[1:]
	return int(b) % n
}

func (s *script) yes() bool { return s.upTo(2) == 1 }

func (s *script) plan() (Plan, []Server) {
	servers := make([]Server, s.upTo(10))
	for i := range servers {
		servers[i] = Server{Soft: s.upTo(4), Hard: s.upTo(6), Weight: s.upTo(3), Prio: s.upTo(3)}
	}
	p := Plan{RoundRobin: s.yes(), Prio: s.yes(), Weight: s.yes(), LeastConn: s.yes(), Hash: s.yes(), PenHash: s.yes(), Stubborn: s.yes()}
	if len(servers) == 0 || s.yes() {
		p.Emergency = &Server{Soft: s.upTo(3)}
	}
	return p, servers
}

// disturb changes the health, the load or the port of some server. Port 0 is something that Validate refuses and Choose has to all the same.
func (s *script) disturb(f *farm) {
	all := serversOf(f.Plan())
	if e := f.Plan().Emergency; e != nil {
		all = append(all, e)
	}
	who := all[s.upTo(len(all))]
	slot := f.slots.Get(who.ID)
	until := f.now + 1 - int64(s.upTo(3))
	switch s.upTo(8) {
	case 0:
		slot.SetProbe(s.yes())
	case 1:
		slot.SetDrained(s.yes())
	case 2:
		slot.Ban(until)
	case 3:
		slot.Shun(until)
	case 4:
		slot.Forgive()
	case 5:
		who.Addr.IP = netip.AddrPortFrom(who.Addr.IP.Addr(), uint16(s.upTo(2)))
	case 6:
		slot.Take(0)
		s.held = append(s.held, slot)
	case 7:
		if n := len(s.held); n > 0 {
			s.held[n-1].Release()
			s.held = s.held[:n-1]
		}
	}
}

// connection is one Attempt from its first Choose to its end.
func (s *script) connection(f *farm) {
	c := numbered(s.upTo(3))
	for s.upTo(4) != 0 {
		s.disturb(f)
	}
	home, calm := f.home(c), s.yes()
	p := f.Plan()
	var a Attempt
	var answers []Choice
	waived := func(who *Server) waiver {
		switch {
		case who.Name != home:
			return 0
		case !p.RoundRobin:
			return softLimit | drain
		case len(answers) == 0: // from the first answer on it was led elsewhere last
			return softLimit
		}
		return 0
	}
	for calls := 1; ; calls++ {
		if calls > 2*len(p.Servers)+2 {
			f.t.Fatalf("call %d for %d servers", calls, len(p.Servers))
		}
		for !calm && s.upTo(3) == 2 {
			s.disturb(f)
		}
		list := f.list(waived)
		choice, ok := f.Choose(c, f.now, &a)
		answered := func(reach Choice) bool {
			return slices.ContainsFunc(answers, func(before Choice) bool { return before.Server == reach.Server })
		}
		if calm {
			f.agrees(slices.DeleteFunc(plain(list, p, &a), answered), choice, ok)
		}
		if !ok {
			return
		}
		f.allowed(choice, waived(choice.Server))
		if answered(choice) {
			f.t.Fatalf("server %s a second time", choice.Server.Name)
		}
		if answers = append(answers, choice); p.Stubborn && calls > 1 {
			f.t.Fatalf("stubborn, and %s is call %d", choice.Server.Name, calls)
		}
		switch s.upTo(4) {
		case 0:
			f.Connected(c, f.now, choice.Server, &a)
			f.Closed(choice.Server)
			return
		case 1:
			f.Abandoned(choice.Server)
		default:
			f.Failed(choice.Server, f.now)
		}
	}
}

// allowed checks one answer by itself.
func (f *farm) allowed(choice Choice, waived waiver) {
	f.t.Helper()
	who, why := choice.Server, choice.Why
	slot := f.slots.Get(who.ID)
	h := slot.Health(f.now)
	atHome := waived&drain != 0
	if h.Banned || h.Drained && !atHome {
		f.t.Fatalf("server %s against the operator's word: %+v, at home %v", who.Name, h, atHome)
	}
	if (h.ProbeDown || h.Shunned) && why != FailOpen {
		f.t.Fatalf("server %s by %v though it is out: %+v", who.Name, why, h)
	}
	if who.Addr.IP.Port() == 0 {
		f.t.Fatalf("server %s has no port", who.Name)
	}
	if limit := limitFor(who, waived); limit != 0 && slot.Live() > limit {
		f.t.Fatalf("server %s has %d live, limit %d, waived %b", who.Name, slot.Live(), limit, waived)
	}
	if why != FailOpen && (why == Affinity) != atHome {
		f.t.Fatalf("server %s by %v, at home %v", who.Name, why, atHome)
	}
	if why != FailOpen && (why == Emergency) != (who == f.Plan().Emergency) {
		f.t.Fatalf("server %s by %v", who.Name, why)
	}
}

func limitFor(s *Server, waived waiver) int32 {
	if waived&softLimit != 0 && s.Soft != 0 {
		return int32(max(s.Soft, s.Hard))
	}
	return int32(s.Soft)
}

// list is all servers in the plan's order, the emergency server last, each with how it would be reached now if at all: Failover stands for any ordinary way,
// FailOpen for one against automatic verdicts. One that cannot be reached has no Server.
func (f *farm) list(waived func(*Server) waiver) []Choice {
	var list []Choice
	servers := serversOf(f.Plan())
	if e := f.Plan().Emergency; e != nil {
		servers = append(servers, e)
	}
	for _, who := range servers {
		slot := f.slots.Get(who.ID)
		h := slot.Health(f.now)
		limit := limitFor(who, waived(who))
		reach := Choice{who, Failover}
		switch {
		case h.Banned, h.Drained && waived(who)&drain == 0, limit != 0 && slot.Live() >= limit, who.Addr.IP.Port() == 0:
			reach.Server = nil
		case h.ProbeDown || h.Shunned:
			reach.Why = FailOpen
		case who == f.Plan().Emergency:
			reach.Why = Emergency
		}
		list = append(list, reach)
	}
	return list
}

// plain is the walk that the list gives from a's initial server.
func plain(list []Choice, p *Plan, a *Attempt) []Choice {
	n := len(p.Servers)
	walk := list[n:]
	if a.initial != nowhere {
		walk = append(append(slices.Clone(list[a.initial:n]), list[:a.initial]...), walk...)
	}
	if p.Stubborn {
		walk = walk[:min(1, len(walk))]
		if a.initial == nowhere {
			walk = nil
		}
	}
	var first, then []Choice
	for _, reach := range walk {
		switch {
		case reach.Server == nil:
		case reach.Why != FailOpen:
			first = append(first, reach)
		case !p.Stubborn:
			then = append(then, reach)
		}
	}
	return append(first, then...)
}

// agrees checks an answer against what is left of the plain walk.
func (f *farm) agrees(walk []Choice, choice Choice, ok bool) {
	f.t.Helper()
	if !ok {
		if len(walk) != 0 {
			f.t.Fatalf("nobody, with %d servers left", len(walk))
		}
		return
	}
	if len(walk) == 0 || choice.Server != walk[0].Server {
		f.t.Fatalf("server %s by %v, not the plain walk's", choice.Server.Name, choice.Why)
	}
	if special := choice.Why == FailOpen || choice.Why == Emergency; special != (walk[0].Why != Failover) || special && choice.Why != walk[0].Why {
		f.t.Fatalf("server %s by %v, want %v", choice.Server.Name, choice.Why, walk[0].Why)
	}
}
