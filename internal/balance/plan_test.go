package balance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"pen/affinity"
	"pen/internal/backend"
)

func TestValidateNamesWhatIsWrong(t *testing.T) {
	addr := Address{IP: netip.MustParseAddrPort("10.0.0.1:80")}
	good := Server{ID: 1, Name: "www1", Addr: addr}
	other := Server{ID: 2, Name: "www2", Addr: Address{Path: "/run/x.sock"}}
	with := func(change func(*Server)) Plan {
		s := other
		change(&s)
		return Plan{Servers: []Server{good, s}}
	}
	for _, c := range []struct {
		name string
		plan Plan
		want string // "" = valid
	}{
		{"two servers, all algorithms at once", Plan{Servers: []Server{good, other}, RoundRobin: true, Prio: true, Weight: true, LeastConn: true, Hash: true, PenHash: true, Stubborn: true,
			Prefix: affinity.Prefix{V4: 32, V6: 128}}, ""},
		{"the emergency server alone", Plan{Emergency: &good}, ""},
		{"the emergency server among the others", Plan{Servers: []Server{good, other}, Emergency: &good}, ""},
		{"nobody", Plan{}, "no server"},
		{"too many", Plan{Servers: make([]Server, backend.MaxServers+1)}, "4097 servers"},
		{"blacklist time", Plan{Servers: []Server{good}, BlacklistTime: -1}, "blacklist time"},
		{"prefix V4", Plan{Servers: []Server{good}, Prefix: affinity.Prefix{V4: 33}}, "prefix 33/0"},
		{"prefix V6", Plan{Servers: []Server{good}, Prefix: affinity.Prefix{V6: 129}}, "prefix 0/129"},
		{"one server twice", with(func(s *Server) { s.ID = 1 }), `server 1 "www2": the same as server 0 "www1"`},
		{"one name twice", with(func(s *Server) { s.Name = "www1" }), `server 0 has the same name`},
		{"no name", with(func(s *Server) { s.Name = "" }), "no name"},
		{"no slot", with(func(s *Server) { s.ID = backend.None }), "no slot"},
		{"a slot that cannot be", with(func(s *Server) { s.ID = backend.MaxServers + 1 }), "slot 4097"},
		{"no address", with(func(s *Server) { s.Addr = Address{} }), "invalid address"},
		{"port 0", with(func(s *Server) { s.Addr = Address{IP: netip.MustParseAddrPort("[::1]:0")} }), `invalid address "[::1]:0"`},
		{"soft limit", with(func(s *Server) { s.Soft = -1 }), `server 1 "www2": soft limit -1`},
		{"hard limit", with(func(s *Server) { s.Hard = -1 }), "hard limit -1"},
		{"weight", with(func(s *Server) { s.Weight = -1 }), "weight -1"},
		{"priority", with(func(s *Server) { s.Prio = -1 }), "priority -1"},
		{"a limit that no count reaches", with(func(s *Server) { s.Soft = 1 << 31 }), "soft limit 2147483648"},
		{"emergency", Plan{Servers: []Server{good}, Emergency: &Server{ID: 2, Name: "E"}}, `emergency server "E": invalid address`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.plan.Validate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		addr Address
		want string
	}{
		{Address{IP: netip.MustParseAddrPort("10.0.0.1:80")}, "10.0.0.1:80"},
		{Address{IP: netip.MustParseAddrPort("[::1]:80")}, "[::1]:80"},
		{Address{Path: "/run/x.sock"}, "/run/x.sock"},
	} {
		if got := c.addr.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	var words []string
	for w := range FailOpen + 1 {
		words = append(words, w.String())
	}
	if got, want := strings.Join(words, " "), "affinity roundrobin weight leastconn hash prio failover emergency abuse failopen"; got != want {
		t.Errorf("reasons %q, want %q", got, want)
	}
}

// An Attempt finishes on the plan it began with, however little of it is left.
func TestPlanChangesBetweenTwoCalls(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 3)...)
	c := client("127.0.0.1")
	var a Attempt
	_, s := f.ask(c, &a)
	old := f.Plan()
	next := fill(t, f.slots, Plan{Weight: true}, []Server{{Name: "new", Weight: 1}})
	f.Publish(next)
	if f.Plan() != next {
		t.Error("the new plan is not in force")
	}
	for _, want := range []string{"2 failover", "0 failover"} {
		f.Failed(s, f.now)
		var got string
		if got, s = f.ask(c, &a); got != want || !slices.Contains(serversOf(old), s) {
			t.Fatalf("%q, want %q of the old plan", got, want)
		}
	}
	f.Failed(s, f.now)
	if got, _ := f.ask(c, &a); got != "-" {
		t.Errorf("after the old plan's last: %q", got)
	}
	if got := f.visit(c); got != "new weight" {
		t.Errorf("a new Attempt goes to %q", got)
	}
}

func serversOf(p *Plan) []*Server {
	var all []*Server
	for i := range p.Servers {
		all = append(all, &p.Servers[i])
	}
	return all
}

func TestPlanSwapUnderLoad(t *testing.T) {
	const loops, rounds, swaps = 3, 1_500, 300
	f := newFarm(t, Plan{}, make([]Server, 9)...)
	var published []*Plan
	for i, plan := range plans() {
		published = append(published, fill(t, f.slots, plan, weighted(1+len(i))))
	}
	f.Publish(published[0])
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range swaps {
			f.Publish(published[i%len(published)])
			f.slot(fmt.Sprint(i % 9)).SetProbe(i%4 != 0)
		}
	})
	for l := range loops {
		wg.Go(func() {
			for i := range rounds {
				c := numbered(i % 200)
				now := f.now + int64(i)*int64(blacklist)
				var a Attempt
				for try := 0; ; try++ {
					choice, ok := f.Choose(c, now, &a)
					if !ok {
						break
					}
					if (i+l+try)%3 == 0 {
						f.Connected(c, now, choice.Server, &a)
						f.Closed(choice.Server)
						break
					}
					f.Failed(choice.Server, now)
				}
			}
		})
	}
	wg.Wait()
	for i := range 12 {
		if live := f.slot(fmt.Sprint(i)).Live(); live != 0 {
			t.Errorf("server %d has %d live connections left", i, live)
		}
	}
}
