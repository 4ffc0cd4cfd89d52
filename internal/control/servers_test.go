package control

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pen/internal/acl"
	"pen/internal/backend"
	"pen/internal/balance"
)

// same compares states by value; a difference is told field by field. Lists are compared entry by entry: how they are kept depends on how they came to be.
func same(t testing.TB, got, want State) {
	t.Helper()
	for n := range acl.Count {
		if g, w := got.Plan.Lists.Entries(n), want.Plan.Lists.Entries(n); !reflect.DeepEqual(g, w) {
			t.Errorf("list %d is %v, want %v", n, g, w)
		}
	}
	got.Plan.Lists, want.Plan.Lists = acl.Lists{}, acl.Lists{}
	compare(t, "", reflect.ValueOf(got), reflect.ValueOf(want))
}

func compare(t testing.TB, path string, got, want reflect.Value) {
	t.Helper()
	for i := range got.NumField() {
		g, w, name := got.Field(i), want.Field(i), path+got.Type().Field(i).Name
		if name == "Plan" {
			compare(t, "Plan.", g, w)
		} else if !reflect.DeepEqual(g.Interface(), w.Interface()) && g.Kind() != reflect.Slice || g.Kind() == reflect.Slice && !sameServers(g, w) {
			t.Errorf("%s is %+v, want %+v", name, g, w)
		}
	}
}

// sameServers takes no servers for the same, be they nil or not.
func sameServers(a, b reflect.Value) bool {
	return a.Len() == b.Len() && (a.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface()))
}

func ids(s State) (all []backend.ID) {
	for _, v := range s.Plan.Servers {
		all = append(all, v.ID)
	}
	return all
}

func TestIdentityGoesWithTheAddress(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "www1:80", "10.0.0.2:80", "10.0.0.2:80")
	first := ids(in.State())
	if first[0] == first[1] || first[1] == first[2] {
		t.Fatalf("ids %v, want three", first)
	}
	for _, c := range []struct {
		what  string
		lines []string
		want  []backend.ID // 0: a new one
	}{
		{"limits do not move anybody", []string{"server 0 max 3 hard 4 weight 5 prio 6 acl 7"}, first},
		{"the same address by its number", []string{"server 0 address 10.0.0.1 port 80"}, first},
		{"another address", []string{"server 0 address 10.0.0.9"}, []backend.ID{0, first[1], first[2]}},
		{"back again", []string{"server 0 address www1"}, first},
		{"another port and back", []string{"server 1 port 81", "server 1 port 80"}, first},
		{"gone and back", []string{"no server 0", "server 0 address www1 port 80"}, first},
		{"a name and back", []string{"server 0 name web", "server 0 name www1:80"}, first},
	} {
		do(t, in, c.lines...)
		for i, id := range ids(in.State()) {
			if c.want[i] != 0 && id != c.want[i] {
				t.Errorf("%s: server %d has id %d, want %d", c.what, i, id, c.want[i])
			}
			if c.want[i] == 0 && (id == first[i] || id == backend.None) {
				t.Errorf("%s: server %d has id %d, want a new one", c.what, i, id)
			}
		}
	}
}

// A file is one step, so servers may trade places in it and stay who they are.
func TestServersTradePlacesInAFile(t *testing.T) {
	in := farm(t, newWorld(), Config{}, "10.0.0.1:80", "10.0.0.2:80")
	was := ids(in.State())
	load(t, in, "server 0 address 10.0.0.2", "server 1 address 10.0.0.1")
	if got := ids(in.State()); got[0] != was[1] || got[1] != was[0] {
		t.Errorf("ids %v were %v, want them swapped", got, was)
	}
}

func TestServerHalfToldIsNotPublished(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "10.0.0.1:80")
	do(t, in, "server 2 address 10.0.0.3 max 5")
	if p := in.State().Plan.Servers[2]; p.ID != backend.None {
		t.Errorf("server 2 has slot %d before it has a port", p.ID)
	}
	s := in.State()
	if p := s.Published(); len(p.Servers) != 3 || p.Servers[2] != (balance.Server{}) || p.Servers[0].ID == backend.None {
		t.Errorf("published %+v", p.Servers)
	}
	do(t, in, "server 2 port 80")
	s = in.State()
	if p := s.Published().Servers[2]; p.ID == backend.None || p.Soft != 5 || p.Name != "10.0.0.3:80" {
		t.Errorf("published %+v", p)
	}
	do(t, in, "no server 0")
	s = in.State()
	if p := s.Published(); len(p.Servers) != 3 || p.Servers[0] != (balance.Server{}) {
		t.Errorf("published %+v", p.Servers)
	}
}

func TestBlacklistAndDrainByHand(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "10.0.0.1:80")
	slot := w.slots.Get(in.State().Plan.Servers[0].ID)
	do(t, in, "server 0 blacklist 100")
	if got := slot.BannedUntil() - epoch; got != int64(100*time.Second) {
		t.Errorf("banned for %v", time.Duration(got))
	}
	slot.Shun(epoch + int64(time.Hour))
	do(t, in, "server 0 blacklist 0")
	if h := slot.Health(epoch); !h.Usable() {
		t.Errorf("after blacklist 0: %+v", h)
	}
	do(t, in, "server 0 drain max 4")
	if h := slot.Health(epoch); !h.Drained || in.State().Plan.Servers[0].Soft != 4 {
		t.Errorf("after drain: %+v", h)
	}
	do(t, in, "server 0 undrain")
	if h := slot.Health(epoch); h.Drained {
		t.Errorf("after undrain: %+v", h)
	}
	do(t, in, "server 3 blacklist 100 drain") // nobody there: there is nothing to blacklist, and it is no error
}

// Seen on Debian's pen: what blacklists a server is counted anew by a new blacklist time, also what has run out. Times are seconds from the failure or the ban.
func TestBlacklistTimeAtRunTime(t *testing.T) {
	const second = int64(time.Second)
	fail := func(slot *backend.Slot, blacklist int64) { // as a loop does
		slot.AddFailure(epoch)
		slot.Shun(epoch + blacklist*second)
	}
	for _, c := range []struct {
		name       string
		before     func(in *Interpreter, slot *backend.Slot)
		lines      []string
		shun, ban  int64 // until then; 0: no such thing on record
		statusFrom int64
	}{
		{"nothing on record", nil, []string{"blacklist 100"}, 0, 0, -epoch / second},
		{"a failure, longer", func(_ *Interpreter, s *backend.Slot) { fail(s, 30) }, []string{"blacklist 100"}, 100, 0, 0},
		{"a failure, shorter", func(_ *Interpreter, s *backend.Slot) { fail(s, 30) }, []string{"blacklist 5"}, 5, 0, 0},
		{"a failure, there and back", func(_ *Interpreter, s *backend.Slot) { fail(s, 30) }, []string{"blacklist 1", "blacklist 30"}, 30, 0, 0},
		{"a failure that a check forgave", func(_ *Interpreter, s *backend.Slot) { fail(s, 30); s.Forgive() }, []string{"blacklist 100"}, 0, 0, 0},
		{"a ban", nil, []string{"server 0 blacklist 20"}, 0, 20, -10},
		{"a ban, longer", nil, []string{"server 0 blacklist 20", "blacklist 100"}, 0, 90, -10},
		{"a ban, shorter", nil, []string{"server 0 blacklist 20", "blacklist 10"}, 0, 0, -10},
		{"a ban lifted", nil, []string{"server 0 blacklist 20", "server 0 blacklist 0"}, 0, 0, -30},
		{"a ban lifted, longer", nil, []string{"server 0 blacklist 0", "blacklist 100"}, 0, 70, -30},
		{"a failure and a ban", func(_ *Interpreter, s *backend.Slot) { fail(s, 30) }, []string{"server 0 blacklist 20", "blacklist 40"}, 0, 30, -10},
		{"a failure after a ban", func(in *Interpreter, s *backend.Slot) { do(t, in, "server 0 blacklist 0"); fail(s, 30) }, []string{"blacklist 40"}, 40, 0, 0},
		{"a failure in a ban", func(in *Interpreter, s *backend.Slot) { do(t, in, "server 0 blacklist 9"); fail(s, 30) }, []string{"blacklist 40"}, 40, 19, 0},
		{"in one file", nil, []string{"blacklist 50", "server 0 blacklist 20", "blacklist 30"}, 0, 0, -30},
	} {
		for _, asFile := range []bool{false, true} {
			w := newWorld()
			in := farm(t, w, Config{}, "10.0.0.1:80")
			slot := w.slots.Get(in.State().Plan.Servers[0].ID)
			if c.before != nil {
				c.before(in, slot)
			}
			if asFile {
				load(t, in, c.lines...)
			} else {
				do(t, in, c.lines...)
			}
			for at, want := range map[int64]backend.Health{
				0:          {Shunned: c.shun > 0, Banned: c.ban > 0},
				c.shun - 1: {Shunned: c.shun > 0, Banned: c.ban > c.shun-1},
				c.shun:     {Banned: c.ban > c.shun},
				c.ban - 1:  {Shunned: c.shun > c.ban-1, Banned: c.ban > 0},
				c.ban:      {Shunned: c.shun > c.ban},
			} {
				if at < 0 {
					continue
				}
				if got := slot.Health(epoch + at*second); got != want {
					t.Errorf("%s, in a file %v: after %d s %+v, want %+v", c.name, asFile, at, got, want)
				}
			}
			if got := BlacklistedAt(slot, in.State().Plan.BlacklistTime); got != max(0, epoch+c.statusFrom*second) {
				t.Errorf("%s, in a file %v: the status is %d s from the epoch, want %d", c.name, asFile, (got-epoch)/second, c.statusFrom)
			}
		}
	}
}

// The emergency and the abuse server are blacklisted for as long as any.
func TestBlacklistTimeIsEverybodys(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "10.0.0.1:80", "10.0.0.2:80")
	do(t, in, "emergency 10.0.0.3:80", "abuse 10.0.0.4:80", "server 3 max 2")
	s := in.State()
	var slots []*backend.Slot
	for _, id := range []backend.ID{s.Plan.Servers[0].ID, s.Plan.Servers[1].ID, s.Plan.Emergency.ID, s.Plan.Abuse.ID} {
		slot := w.slots.Get(id)
		slot.AddFailure(epoch)
		slot.Shun(epoch + int64(30*time.Second))
		slots = append(slots, slot)
	}
	do(t, in, "blacklist 2.5")
	for i, slot := range slots {
		if got := time.Duration(slot.ShunnedUntil() - epoch); got != 2500*time.Millisecond {
			t.Errorf("server %d is out for %v", i, got)
		}
	}
}

func TestRunningOutOfSlotsChangesNothing(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{}, "10.0.0.1:80")
	for i := range backend.MaxServers - 1 {
		if _, err := w.Claim(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	before := in.State()
	fails(t, in, "server 0 port 81", Trusted, "all 4096 are taken")
	same(t, in.State(), before)
	do(t, in, "server 0 max 3")
}
