package balance

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// start is the time of the tests, unix ns; any will do.
const start = int64(1_700_000_000_000_000_000)

// blacklist is the time that a failed connect keeps a server out in the tests.
const blacklist = 30 * time.Second

// farm is a Balancer over servers named 0, 1, 2 … (as Pen numbers them) and the emergency server E, with a clock that the test moves.
type farm struct {
	*Balancer
	t   testing.TB
	now int64
}

// newFarm publishes plan over the servers. Names, ids and addresses that are not given are filled in.
func newFarm(t testing.TB, plan Plan, servers ...Server) *farm {
	t.Helper()
	table, err := affinity.New(4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &farm{t: t, now: start}
	slots := backend.NewSlots()
	f.Balancer = New(slots, table, fill(t, slots, plan, servers))
	return f
}

// fill completes a plan with what a test seldom cares about, and validates it.
func fill(t testing.TB, slots *backend.Slots, plan Plan, servers []Server) *Plan {
	t.Helper()
	plan.Servers = append([]Server(nil), servers...)
	plan.BlacklistTime = blacklist
	if plan.Prefix == (affinity.Prefix{}) {
		plan.Prefix = affinity.Prefix{V4: 32, V6: 128}
	}
	for i := range plan.Servers {
		complete(t, slots, &plan.Servers[i], fmt.Sprint(i), i)
	}
	if plan.Emergency != nil {
		e := *plan.Emergency
		complete(t, slots, &e, "E", 1<<12)
		plan.Emergency = &e
	}
	if err := plan.Validate(); err != nil {
		t.Fatal(err)
	}
	return &plan
}

func complete(t testing.TB, slots *backend.Slots, s *Server, name string, i int) {
	t.Helper()
	if s.Name == "" {
		s.Name = name
	}
	if s.Addr == (Address{}) {
		s.Addr.IP = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
	}
	if s.ID == backend.None {
		id, err := slots.Claim(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		s.ID = id
	}
}

// client is the client at addr, with a port that does not matter.
func client(addr string) Client { return Client{netip.AddrPortFrom(netip.MustParseAddr(addr), 40000)} }

// numbered is the i-th of many clients.
func numbered(i int) Client {
	return Client{netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))}
}

// slot is the slot of the server with that name, the emergency server's too.
func (f *farm) slot(name string) *backend.Slot {
	f.t.Helper()
	id, err := f.slots.Claim(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.slots.Get(id)
}

// server is the server of that name in the plan in force.
func (f *farm) server(name string) *Server {
	f.t.Helper()
	for i := range f.Plan().Servers {
		if s := &f.Plan().Servers[i]; s.Name == name {
			return s
		}
	}
	f.t.Fatalf("no server %s in the plan", name)
	return nil
}

func (f *farm) down(names ...string) {
	for _, n := range names {
		f.slot(n).SetProbe(false)
	}
}

func (f *farm) up(names ...string) {
	for _, n := range names {
		f.slot(n).SetProbe(true)
	}
}

// load gives a server that many live connections.
func (f *farm) load(name string, live int) {
	for range live {
		f.slot(name).Take(0)
	}
}

// ask is one Choose, shown as "name why", or "-" for nobody. The live connection stays.
func (f *farm) ask(c Client, a *Attempt) (string, *Server) {
	choice, ok := f.Choose(c, f.now, a)
	if !ok {
		return "-", nil
	}
	return choice.Server.Name + " " + choice.Why.String(), choice.Server
}

// visit is a connection that succeeds at once and is closed.
func (f *farm) visit(c Client) string {
	var a Attempt
	got, s := f.ask(c, &a)
	if s != nil {
		f.Connected(c, f.now, s, &a)
		f.Closed(s)
	}
	return got
}

// walk is a connection to which every server is refused, until Choose has no more: all answers in order.
func (f *farm) walk(c Client) []string {
	var a Attempt
	var all []string
	for {
		got, s := f.ask(c, &a)
		all = append(all, got)
		if s == nil {
			return all
		}
		f.Failed(s, f.now)
	}
}

// home is the name of the client's home, "" for none.
func (f *farm) home(c Client) string {
	entry, ok := f.table.Peek(f.Plan().Prefix.Key(c.Addr.Addr()), f.now)
	if !ok || entry.Home == 0 {
		return ""
	}
	for i := range f.Plan().Servers {
		if s := &f.Plan().Servers[i]; uint32(s.ID) == entry.Home {
			return s.Name
		}
	}
	return fmt.Sprintf("id %d", entry.Home)
}

// idle fails the test if a live connection is left anywhere.
func (f *farm) idle() {
	f.t.Helper()
	for _, s := range f.Plan().Servers {
		if live := f.slots.Get(s.ID).Live(); live != 0 {
			f.t.Errorf("server %s has %d live connections left, want 0", s.Name, live)
		}
	}
	if e := f.Plan().Emergency; e != nil && f.slots.Get(e.ID).Live() != 0 {
		f.t.Errorf("the emergency server has %d live connections left, want 0", f.slots.Get(e.ID).Live())
	}
}
