package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// A schedule is what both programs are put through, made from a seed alone: it does not depend on what they answer.
type schedule struct {
	seed    uint64
	flags   []string
	servers int // on the command line; the farm has more
	specs   []string
	steps   []step
	setup   []func(*model)
}

// step is one thing that happens, to both.
type step struct {
	what   string
	visit  bool
	hold   bool
	client int
	drop   int // the number of a hold, if what is "drop"
	server int // of the farm, if what is "up" or "down"
	line   string
	model  func(*model) // what a command changes; nil: nothing
}

const (
	farmSize    = 6 // servers; the last two are the emergency and the abuse server
	farmClients = 8
	emergencyAt = farmSize - 2
	abuseAt     = farmSize - 1
)

// farmClient spreads the clients over several octets, since Pen's hash looks at little else.
func farmClient(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + i%3), byte(i % 5), byte(10 + i)})
}

// makeSchedule makes the schedule of a seed for servers at these addresses.
func makeSchedule(seed uint64, at []netip.AddrPort) *schedule {
	r := rand.New(rand.NewPCG(seed, 3))
	s := &schedule{seed: seed, servers: 1 + r.IntN(4)}
	one := func(chance float64) bool { return r.Float64() < chance }
	s.flag(one(0.2), "-s", func(m *model) { m.stubborn = true })
	memoryless := one(0.2)
	s.flag(memoryless, "-r", func(m *model) { m.memoryless = true })
	s.flag(one(0.2), "-W", func(m *model) { m.weight = true })
	hash := one(0.25) && !memoryless // with both the source port counts, which differs between the two
	s.flag(hash, "-h", func(m *model) { m.hash = true })
	s.flag(one(0.15), "-O prio", func(m *model) { m.prio = true })
	s.flag(one(0.15), "-H", func(m *model) { m.forwarded = true })
	s.flag(one(0.5), fmt.Sprint("-e ", at[emergencyAt]), func(m *model) { m.emergency = &modelServer{name: farmName(emergencyAt), at: at[emergencyAt]} })
	s.flag(one(0.4), fmt.Sprint("-B ", at[abuseAt]), func(m *model) { m.abuse = &modelServer{name: farmName(abuseAt), at: at[abuseAt]} })
	for i := range s.servers {
		v := modelServer{name: farmName(i), at: at[i]}
		if one(0.3) {
			v.soft, v.hard = 1+r.IntN(2), r.IntN(4)
		}
		v.weight, v.prio = r.IntN(4), r.IntN(3)
		s.specs = append(s.specs, fmt.Sprintf("%s:%d:%d:%d:%d", v.at, v.soft, v.hard, v.weight, v.prio))
		s.setup = append(s.setup, func(m *model) { c := v; m.servers = append(m.servers, &c) })
	}
	holds := 0
	for n := range 40 + r.IntN(20) {
		switch p := r.Float64(); {
		case p < 0.36:
			s.steps = append(s.steps, step{what: "visit", visit: true, client: r.IntN(farmClients)})
		case p < 0.48 && holds < 12:
			holds++
			s.steps = append(s.steps, step{what: "hold", visit: true, hold: true, client: r.IntN(farmClients)})
		case p < 0.56 && holds > 0:
			s.steps = append(s.steps, step{what: "drop", drop: r.IntN(holds)})
		case p < 0.68:
			s.upOrDown(r)
		case p < 0.84:
			s.steps = append(s.steps, s.set(r, n, at, memoryless, hash))
		default:
			q := step{what: "ask", line: questions[r.IntN(len(questions))]}
			if strings.HasPrefix(q.line, "client_acl ") {
				q.model = func(m *model) { m.clientACL = 0 } // what no list has is list 0
			}
			s.steps = append(s.steps, q)
		}
	}
	return s
}

func (s *schedule) flag(on bool, flag string, set func(*model)) {
	if on {
		word, value, more := strings.Cut(flag, " ")
		s.flags = append(s.flags, word)
		if more {
			s.flags = append(s.flags, value)
		}
		s.setup = append(s.setup, set)
	}
}

func farmName(i int) string { return string(rune('a' + i)) }

// farmed is the farm's i-th server in the model, nil if the balancer does not know it.
func (m *model) farmed(i int) *modelServer {
	for _, s := range append(m.servers, m.emergency, m.abuse) {
		if s != nil && s.name == farmName(i) {
			return s
		}
	}
	return nil
}

// upOrDown takes a server of the farm down or brings it up, half of the time with its blacklisting ended.
func (s *schedule) upOrDown(r *rand.Rand) {
	i := r.IntN(farmSize)
	if r.Float64() < 0.5 {
		s.steps = append(s.steps, step{what: "down", server: i, model: func(m *model) { m.setDown(i, true) }})
		return
	}
	s.steps = append(s.steps, step{what: "up", server: i, model: func(m *model) { m.setDown(i, false) }})
	if i < s.servers && r.Float64() < 0.7 {
		s.steps = append(s.steps, blacklist(i, 0))
	}
}

func (m *model) setDown(i int, down bool) {
	m.downs[i] = down
	if s := m.farmed(i); s != nil {
		s.down = down
	}
}

func blacklist(i, seconds int) step {
	return step{what: "set", line: fmt.Sprintf("server %d blacklist %d", i, seconds), model: func(m *model) {
		s := m.servers[i]
		s.failedBefore = s.failedBefore || s.failed
		s.failed, s.banned, s.stamp = false, true, seconds-m.blacklistTime
	}}
}

// set is a command that changes something.
func (s *schedule) set(r *rand.Rand, n int, at []netip.AddrPort, memoryless, hash bool) step {
	i, list, k := r.IntN(s.servers), r.IntN(3), r.IntN(4)
	on := r.IntN(2) == 0
	toggle := func(name string, set func(*model)) step {
		line := name
		if !on {
			line = "no " + name
		}
		return step{what: "set", line: line, model: set}
	}
	set := func(model func(*model), format string, args ...any) step {
		return step{what: "set", line: fmt.Sprintf(format, args...), model: model}
	}
	switch r.IntN(22) {
	case 0:
		return blacklist(i, 600)
	case 1:
		return blacklist(i, 0)
	case 2, 3:
		return set(func(m *model) { m.servers[i].soft, m.servers[i].hard = k, list }, "server %d max %d hard %d", i, k, list)
	case 4:
		return set(func(m *model) { m.servers[i].weight = k }, "server %d weight %d", i, k)
	case 5:
		return set(func(m *model) { m.servers[i].prio = k }, "server %d prio %d", i, k)
	case 6:
		return set(func(m *model) { m.servers[i].acl = list }, "server %d acl %d", i, list)
	case 7, 8:
		list = 1 + list%2
		return set(func(m *model) { m.clientACL = list }, "client_acl %d", list)
	case 9, 10, 11:
		verb := map[bool]string{true: "permit", false: "deny"}[on]
		client := farmClient(r.IntN(farmClients))
		rule := modelRule{on, number32(client), 0xffffffff}
		mask := ""
		if k == 0 {
			rule.mask, mask = 0xffffff00, " 255.255.255.0" // with a host bit set in the address: it never matches
		}
		if k == 1 {
			rule.mask, mask = 0xffffff00, " 255.255.255.0"
			rule.ip &= rule.mask
			octets := client.As4()
			octets[3] = 0
			client = netip.AddrFrom4(octets)
		}
		return set(func(m *model) { m.lists[list] = append(m.lists[list], rule) }, "acl %d %s %s%s", list, verb, client, mask)
	case 12, 13:
		return set(func(m *model) { m.lists[list] = nil }, "no acl %d", list)
	case 14:
		return toggle("stubborn", func(m *model) { m.stubborn = on })
	case 15:
		return toggle("weight", func(m *model) { m.weight = on })
	case 16:
		return toggle("prio", func(m *model) { m.prio = on })
	case 17:
		return toggle("http", func(m *model) { m.forwarded = on })
	case 18:
		if memoryless || hash { // see makeSchedule
			return set(nil, "pending_max %d", 50+k)
		}
		return toggle("roundrobin", func(m *model) { m.memoryless = on })
	case 19, 20:
		seconds := []int{300, 600, 600, 1200}[k]
		return set(func(m *model) { m.blacklistTime = seconds }, "blacklist %d", seconds)
	default:
		if s.servers >= emergencyAt {
			return set(nil, "tracking %d", 1000+n)
		}
		s.servers++
		added := s.servers - 1
		return set(func(m *model) {
			m.servers = append(m.servers, &modelServer{name: farmName(added), at: at[added], down: m.downs[added], weight: 1})
		}, "server %d address %s port %d weight 1", added, at[added].Addr(), at[added].Port())
	}
}

// questions are asked of both; the replies are compared as they stand, or as told in normalise.
var questions = []string{
	"mode", "blacklist", "timeout", "tracking 3600", "tracking", "client_acl", "client_acl 12", "client_acl 0", "control_acl", "clients_max", "clients_max 5", "conn_max", "conn_max 20",
	"debug", "idle_timeout", "idle_timeout -3", "idle_timeout 900", "idle_timeout 0", "idlers", "pending_max", "tarpit_acl", "web_stats", "log", "exit", "close 5000", "close -1",
	"connection 5000", "socket 999", "unknown", "# comment", "", "no such", "tcp_fastclose", "tcp_fastclose off", "tcp_fastclose both", "tcp_fastclose up", "tcp_fastclose down",
	"no ascii", "ascii", "tcp_nodelay", "no tcp_nodelay", "keepalive", "no keepalive", "abort_on_error", "no abort_on_error", "poll", "epoll", "ssl_ciphers x", "no dummy", "no peek",
	"source 127.0.0.1", "recent", "recent 100", "status", "write", "acl", "acl 12 permit 1.2.3.4", "acl 3 allow 1.2.3.4", "acl 3 permit 1.2.3", "acl 3 deny ::1/64",
	"acl 4 permit 300.1.1.1", "acl 5 permit 10.0.0.0 255.0.0.0", "server", "server x", "server 0 nothing 1", "server 0 address", "timeout 4", "debug 0", "select", "kqueue", "dsr_ip 1.2.3.4",
}
