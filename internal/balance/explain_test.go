package balance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/acl"
	"pen/internal/backend"
)

// lines is an explanation as the control word prints it.
func (f *farm) lines(c Client) []string {
	f.t.Helper()
	x, err := f.Explain(c, f.now)
	if err != nil {
		f.t.Fatal(err)
	}
	var all []string
	for _, s := range x.Steps {
		all = append(all, fmt.Sprintf("%s: %s", s.Topic, s.Text))
	}
	return all
}

func at(after time.Duration) string { return clock(start + int64(after)) }

func TestExplanations(t *testing.T) {
	one := client("10.0.0.1")
	for _, c := range []struct {
		name string
		plan Plan
		list []Server
		do   func(f *farm)
		want []string
	}{
		{"a new client", Plan{}, make([]Server, 2), func(*farm) {}, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: none: the client is not known",
			"algorithm: roundrobin: server 1 1 is next",
			"health: server 1 1 is up",
			"limits: server 1 1 has 0 live connections, and no limit",
			"then: if the connect to it fails: server 0 0 (failover), then nobody",
			"answer: server 1 1 at 10.0.0.1:80 (roundrobin)",
		}},
		{"its home has failed", Plan{Lists: listed(t, 3, "deny 10.9.0.0 255.255.0.0", "permit 10.0.0.0 255.0.0.0"), ClientACL: 3, Emergency: &Server{}}, []Server{{}, {}, {Soft: 5, Hard: 8}}, func(f *farm) {
			f.visit(one)
			f.now += int64(90 * time.Second)
			f.slot("1").Shun(f.now + int64(blacklist))
			f.load("2", 3)
		}, []string{
			`acl: client_acl is list 3, line 2, "permit 10.0.0.0 255.0.0.0": the client may come in`,
			"home: server 1 1; connects 1, last at " + at(0) + " (1m30s ago)",
			"health: server 1 1 is blacklisted after a failed connect until " + at(2*time.Minute) + " (for another 30s)",
			"health: server 2 2 is up",
			"limits: server 2 2 has 3 live connections and may have 5 for this client (soft limit 5, hard limit 8)",
			"then: if the connect to it fails: server 0 0 (failover), then the emergency server E (emergency), then server 1 1 (failopen), then nobody",
			"answer: server 2 2 at 10.0.0.2:80 (failover)",
		}},
		{"at home against the drain and the soft limit", Plan{}, []Server{{}, {Soft: 1, Hard: 3}}, func(f *farm) {
			f.visit(one)
			f.slot("1").SetDrained(true)
			f.load("1", 2)
		}, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: server 1 1; connects 1, last at " + at(0) + " (0s ago)",
			"health: server 1 1 is drained by the operator; that does not count for a client whose home it is",
			"limits: server 1 1 has 2 live connections and may have 3 for this client (soft limit 1, hard limit 3)",
			"then: if the connect to it fails: server 0 0 (failover), then nobody",
			"answer: server 1 1 at 10.0.0.1:80 (affinity)",
		}},
		{"stubborn and full", Plan{Stubborn: true}, []Server{{}, {Soft: 1}}, func(f *farm) {
			f.visit(one)
			f.load("1", 1)
		}, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: server 1 1; connects 1, last at " + at(0) + " (0s ago)",
			"health: server 1 1 is up",
			"limits: server 1 1 has 1 live connections and may have 1 for this client (soft limit 1, hard limit 0)",
			"answer: nobody: its server will not do, stubborn lets it try no other, and the client is closed",
		}},
		{"all are down", Plan{Weight: true}, []Server{{Weight: 1}, {Weight: 2}, {Weight: 9}}, func(f *farm) {
			f.down("0", "1")
			f.slot("2").Ban(f.now + int64(time.Hour))
			f.load("0", 1)
			f.load("1", 1)
		}, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: none: the client is not known",
			"health: server 2 2 is left out of the choice: blacklisted by the operator until " + at(time.Hour) + " (for another 1h0m0s)",
			"health: nobody is up; those who are out by an automatic verdict only are chosen from",
			"algorithm: weight: server 1 1 is the least loaded for its weight, with 1 live connections for weight 2",
			"health: server 1 1 is down by its health checks",
			"health: server 2 2 is blacklisted by the operator until " + at(time.Hour) + " (for another 1h0m0s)",
			"health: server 0 0 is down by its health checks",
			"health: server 1 1 is down by its health checks; that does not count now that nobody is left who is held to be well",
			"limits: server 1 1 has 1 live connections, and no limit",
			"then: if the connect to it fails: server 0 0 (failopen), then nobody",
			"answer: server 1 1 at 10.0.0.1:80 (failopen)",
		}},
		{"the list of its home is against it", Plan{Lists: listed(t, 2, "permit 192.0.2.0 255.255.255.0"), Prio: true}, []Server{{Prio: 1, ACL: 2}, {Prio: 2}}, func(*farm) {}, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: none: the client is not known",
			"algorithm: prio: server 0 0 has the lowest priority number, 1",
			`acl: server 0 0 has list 2, where no line matches, so that it is the opposite of the last, line 1, "permit 192.0.2.0 255.255.255.0": closed to the client`,
			"health: server 1 1 is up",
			"limits: server 1 1 has 0 live connections, and no limit",
			"then: if the connect to it fails: nobody",
			"answer: server 1 1 at 10.0.0.1:80 (failover)",
		}},
		{"denied", Plan{Lists: listed(t, 0, "deny 10.0.0.0 255.255.255.0")}, make([]Server, 1), func(*farm) {}, []string{
			`acl: client_acl is list 0, line 1, "deny 10.0.0.0 255.255.255.0": the client may not come in`,
			"answer: nobody: the client may not come in, and is closed",
		}},
		{"roundrobin", Plan{RoundRobin: true}, make([]Server, 2), func(f *farm) { f.visit(one) }, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: none under roundrobin, but a hard limit where it was last, on server 1 1; connects 1, last at " + at(0) + " (0s ago)",
			"algorithm: roundrobin: server 0 0 is next",
			"health: server 0 0 is up",
			"limits: server 0 0 has 0 live connections, and no limit",
			"then: if the connect to it fails: server 1 1 (failover), then nobody",
			"answer: server 0 0 at 10.0.0.0:80 (roundrobin)",
		}},
		{"as many connections as it may have", Plan{Limits: affinity.Limits{Conns: 2, Rate: affinity.Rate{Count: 1, Per: 60, Burst: 9}}}, make([]Server, 2), func(f *farm) {
			f.visit(one)
			f.visit(one)
		}, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: server 1 1; connects 2, last at " + at(0) + " (0s ago)",
			"limits: the client has 2 live connections and may have 2, new ones at most at 1/m:9, of which 7 are left: it has as many connections as it may",
			"answer: nobody: the client has as many connections as it may, and is reset",
		}},
		{"faster than it may", Plan{Limits: affinity.Limits{Rate: affinity.Rate{Count: 1, Per: 60, Burst: 1}}, OverLimit: Tarpit}, make([]Server, 2), func(f *farm) { f.visit(one) }, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: server 1 1; connects 1, last at " + at(0) + " (0s ago)",
			"limits: the client has 1 live connections, new ones at most at 1/m:1, of which 0 are left: it makes connections faster than it may",
			"answer: nobody: the client makes connections faster than it may, and is held in the tarpit while there is room, or reset",
		}},
		{"limits that leave room", Plan{Limits: affinity.Limits{Conns: 5}, RoundRobin: true}, make([]Server, 1), func(f *farm) { f.visit(one) }, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: none under roundrobin, but a hard limit where it was last, on server 0 0; connects 1, last at " + at(0) + " (0s ago)",
			"limits: the client has 1 live connections and may have 5: it may begin 4 now",
			"algorithm: roundrobin: server 0 0 is next",
			"health: server 0 0 is up",
			"limits: server 0 0 has 0 live connections, and no limit",
			"then: if the connect to it fails: nobody",
			"answer: server 0 0 at 10.0.0.0:80 (roundrobin)",
		}},
		{"exempt", Plan{Limits: affinity.Limits{Conns: 1}, Exempting: true, ExemptACL: 2, Lists: listed(t, 2, "permit 10.0.0.0 255.0.0.0")}, make([]Server, 1), func(f *farm) { f.visit(one) }, []string{
			"acl: client_acl is list 0, which is empty: the client may come in",
			"home: server 0 0; connects 1, last at " + at(0) + " (0s ago)",
			`limits: the limits of clients are not for this one: client_exempt is list 2, line 1, "permit 10.0.0.0 255.0.0.0"`,
			"health: server 0 0 is up",
			"limits: server 0 0 has 0 live connections, and no limit",
			"then: if the connect to it fails: nobody",
			"answer: server 0 0 at 10.0.0.0:80 (affinity)",
		}},
		{"dummy", Plan{Dummy: true}, make([]Server, 1), func(*farm) {}, []string{"answer: pen itself answers every client (dummy)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm(t, c.plan, c.list...)
			c.do(f)
			if got := f.lines(one); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// A server that has left the plan, many that would follow, and the abuse server.
func TestExplainTellsTheRest(t *testing.T) {
	f := newFarm(t, Plan{}, make([]Server, 12)...)
	f.visit(client("10.0.0.1"))
	p := *f.Plan()
	p.Servers = slices.Clone(p.Servers)
	p.Servers[1] = Server{}
	p.Lists, p.ClientACL, p.Abuse = listed(t, 4, "permit 10.0.0.1"), 4, &p.Servers[3]
	f.Publish(&p)
	got := strings.Join(f.lines(client("10.0.0.1")), "\n")
	for _, want := range []string{"home: none: its server has left the plan; connects 1", "then server 10 10 (failover), then 2 more, then nobody"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	x, err := f.Explain(client("10.0.0.2"), f.now)
	if err != nil || x.Refusal != Denied || len(x.Choices) != 1 || x.Choices[0].Why != Abuse {
		t.Errorf("a denied client: %+v, %v", x, err)
	}
	if got := strings.Join(f.lines(Client{}), "\n"); !strings.Contains(got, "which a client of a Unix socket always passes: the client may come in") {
		t.Errorf("a Unix client:\n%s", got)
	}
}

// facts is everything that a Choose may change.
type facts struct {
	text    string
	clients []affinity.Entry
}

func (f *farm) facts() (all facts) {
	for id := range f.slots.Len() {
		s := f.slots.Get(backend.ID(id + 1))
		all.text += fmt.Sprintln(s.Health(f.now), s.ShunnedUntil(), s.BannedUntil(), s.LastFailure(), s.Live(), s.Connects(), s.Failures())
	}
	all.clients = slices.Collect(f.table.Each)
	all.text += fmt.Sprintln(f.table.Evictions(), f.cursor.Load(), f.latest.Load())
	return all
}

// same fails the test if anything has changed.
func (f *farm) same(before facts, what string) {
	f.t.Helper()
	if after := f.facts(); after.text != before.text || !slices.Equal(after.clients, before.clients) {
		f.t.Fatalf("%s has changed\n%s to\n%s", what, before.text, after.text)
	}
}

// The explanation of any client in any farm is what Choose then does, down to the last server that would follow, and gives no sign of itself.
func explainAtRandom(t *testing.T, input []byte) {
	s := &script{input: input}
	plan, servers := s.plan()
	f := newFarm(t, plan, servers...)
	s.lists(f)
	for range 6 {
		for range s.upTo(6) {
			s.disturb(f)
		}
		c := numbered(s.upTo(3))
		before := f.facts()
		x, err := f.Explain(c, f.now)
		if err != nil {
			t.Fatal(err)
		}
		f.same(before, "explain")
		var want []string
		for _, choice := range x.Choices {
			want = append(want, choice.Server.Name+" "+choice.Why.String())
		}
		if s.yes() {
			got := f.visit(c)
			if got != append(want, "-")[0] {
				t.Fatalf("%v goes to %s, by the explanation to %v", c, got, want)
			}
		} else if got := f.walk(c); !slices.Equal(got, append(want, "-")) {
			t.Fatalf("%v goes to %v, by the explanation to %v", c, got, want)
		}
		last := x.Steps[len(x.Steps)-1]
		if last.Topic != TopicAnswer || last.OK != (len(want) > 0) {
			t.Fatalf("answer %+v for %v", last, want)
		}
		f.now += int64(s.upTo(4)) * int64(blacklist) / 3
	}
}

// lists publishes the plan with lists that some clients do not pass.
func (s *script) lists(f *farm) {
	p := *f.Plan()
	p.Servers = slices.Clone(p.Servers)
	for n := 1; n <= 2; n++ {
		entry, err := acl.ParseEntry([]string{[]string{"permit", "deny"}[s.upTo(2)], fmt.Sprintf("172.0.0.%d", s.upTo(3))})
		if err == nil {
			p.Lists, err = p.Lists.Append(n, entry)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	p.ClientACL = max(0, s.upTo(6)-3)
	for i := range p.Servers {
		p.Servers[i].ACL = max(0, s.upTo(5)-2)
	}
	if s.yes() && len(p.Servers) > 0 {
		abuse := p.Servers[0]
		p.Abuse = &abuse
	}
	p.Limits = affinity.Limits{Conns: max(0, s.upTo(8)-4)}
	if s.yes() {
		p.Limits.Rate = affinity.Rate{Count: 1, Per: 60, Burst: 1 + uint32(s.upTo(4))}
	}
	p.OverLimit, p.Exempting, p.ExemptACL = Answer(s.upTo(3)), s.yes(), 1+s.upTo(2)
	f.Publish(&p)
}

func FuzzExplain(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x05abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ987654321"))
	f.Fuzz(func(t *testing.T, input []byte) { explainAtRandom(t, input) })
}

func TestExplainIsChooseAtRandom(t *testing.T) {
	const seed, scripts = 2, 400
	random := rand.New(rand.NewPCG(seed, seed))
	for i := range scripts {
		input := make([]byte, 80+random.IntN(160))
		for j := range input {
			input[j] = byte(random.Uint32())
		}
		if !t.Run(fmt.Sprint(i), func(t *testing.T) { explainAtRandom(t, input) }) {
			t.Fatalf("seed %d, script %d: %q", seed, i, input)
		}
	}
}
