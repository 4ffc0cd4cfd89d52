package e2e

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A model says what a balancer does with a schedule. With no quirk it is our contract (PEN.md 1.4 to 1.7 and what issue 2 adds); with all of them it is Debian's pen.
// It is no oracle: both programs are held against it, so a model that is wrong fails the test. It is there to say which deliberate differences explain that the two differ.
type model struct {
	quirks map[string]bool

	servers          []*modelServer
	emergency, abuse *modelServer
	lists            [10][]modelRule
	clientACL        int
	memoryless       bool // -r
	prio, weight     bool
	hash, stubborn   bool
	forwarded        bool
	cursor           int // round robin's
	current          int // the number of the server that was tried last
	blacklistTime    int // seconds; always longer than the schedule takes
	clients          []modelClient
	held             []modelSession // by the number of the hold
	downs            [farmSize]bool
	log              []string
}

type modelServer struct {
	name                     string
	at                       netip.AddrPort // invalid: a number that was skipped
	down                     bool
	failed                   bool // it is blacklisted because of a connect that failed
	banned                   bool // by hand, and the operator spoke last
	stamp                    int  // of a ban: when it was written down, in seconds from when it was; it lasts until the blacklist time after that
	failedBefore             bool // the ban followed a failure
	acl                      int
	soft, hard, weight, prio int
	live, sent, received     int
}

type modelClient struct {
	addr           netip.Addr
	home           *modelServer
	connects       int
	sent, received int // to and from the client
}

type modelRule struct {
	permit   bool
	ip, mask uint32
}

type modelSession struct {
	server *modelServer // nil: not served, or over
}

// number32 is an IPv4 address as a number.
func number32(a netip.Addr) uint32 {
	octets := a.As4()
	return binary.BigEndian.Uint32(octets[:])
}

// permits is PEN.md 1.16.
func (m *model) permits(list int, client netip.Addr) bool {
	rules := m.lists[list]
	for _, r := range rules {
		if number32(client)&r.mask == r.ip {
			return r.permit
		}
	}
	return len(rules) == 0 || !rules[len(rules)-1].permit
}

// eligible says that an algorithm may pick the server; open is for a pick among those out on automatic verdicts.
func (m *model) eligible(s *modelServer, open bool) bool {
	return s.at.IsValid() && (!s.failed || open) && !(s.banned && s.stamp+m.blacklistTime > 0)
}

// status is the page's: what the server's blacklisting is counted from, in hundreds of seconds from now.
func (m *model) status(s *modelServer) string {
	switch {
	case s.banned && (m.quirks["status"] || !s.failedBefore || s.stamp+m.blacklistTime >= 0):
		return fmt.Sprint(s.stamp/100, " from now")
	case s.failed || s.failedBefore:
		return "0 from now"
	}
	return "never"
}

// number is what Pen calls a server by.
func (m *model) number(s *modelServer) int {
	switch {
	case s == nil:
		return -3
	case s == m.abuse:
		return -2
	case s == m.emergency:
		return -1
	}
	return slices.Index(m.servers, s)
}

// pick is PEN.md 1.4, items 3 to 6; -1 is nobody.
func (m *model) pick(c *modelClient, open bool) int {
	best, least := -1, 0
	switch n := len(m.servers); {
	case m.prio || m.weight:
		for i := range m.servers {
			s := m.servers[i]
			score := s.prio
			if !m.prio {
				if s.weight == 0 {
					continue
				}
				score = 256 * s.live / s.weight
			}
			if m.eligible(s, open) && (best < 0 || score < least) {
				best, least = i, score
			}
		}
	case m.hash && n > 0:
		octets := c.addr.As4()
		best = int(binary.LittleEndian.Uint32(octets[:]) % uint32(n))
	default:
		for step := range n {
			if i := (m.cursor + 1 + step) % n; m.eligible(m.servers[i], open) {
				m.cursor = i
				return i
			}
		}
	}
	return best
}

// accepts says that the server would be tried for the client.
func (m *model) accepts(s *modelServer, c *modelClient, home, open bool) bool {
	if s == nil || !m.eligible(s, open) || !m.permits(s.acl, c.addr) {
		return false
	}
	limit := s.soft
	if limit != 0 && home {
		limit = max(s.soft, s.hard)
	}
	return limit == 0 || s.live < limit
}

// walk is one client's way to a server, nil for none.
type walk struct {
	*model
	c       *modelClient
	was     *modelServer   // the home before the walk
	last    *modelServer   // whom the connection belongs to in Pen's books
	tried   []*modelServer // connects were made to these
	claimed bool           // the walk gave the client its home
}

// try makes a connect if the server would have it.
func (w *walk) try(s *modelServer, home, open bool) bool {
	if !w.accepts(s, w.c, home, open) {
		return false
	}
	w.last, w.tried, w.current = s, append(w.tried, s), w.number(s)
	regular := s != w.emergency && s != w.abuse
	switch {
	case w.quirks["B8"], regular && w.memoryless:
		w.c.home = s
	case regular && (w.was == nil || w.claimed) && !open:
		w.c.home, w.claimed = s, true
	}
	if s.down {
		s.failed, s.banned = true, false
		return false
	}
	s.live++
	return true
}

// lead finds the client its server.
func (m *model) lead(c *modelClient) *modelServer {
	w := &walk{model: m, c: c, was: c.home}
	if w.was == m.emergency || w.was == m.abuse {
		w.was = nil
	}
	if !m.permits(m.clientACL, c.addr) {
		return w.denied()
	}
	initial := slices.Index(m.servers, w.was)
	if m.memoryless || w.was == nil {
		if initial = m.pick(c, false); initial < 0 && !m.quirks["no fail-open"] {
			initial = m.pick(c, true)
		}
	}
	if initial >= 0 {
		w.last = m.servers[initial]
		turns := len(m.servers)
		if m.stubborn {
			turns = 1
		}
		for i := range turns {
			s := m.servers[(initial+i)%len(m.servers)]
			if w.try(s, w.sticks(s, initial), false) {
				return s
			}
		}
	}
	if m.stubborn {
		return w.nobody()
	}
	return w.afterWalk(initial)
}

// sticks says that the client may pass the server's soft limit.
func (w *walk) sticks(s *modelServer, initial int) bool {
	if w.quirks["B8"] || w.memoryless {
		return w.c.home == s
	}
	return w.was == s && s == w.servers[initial]
}

func (w *walk) afterWalk(initial int) *modelServer {
	if w.try(w.emergency, false, false) {
		return w.emergency
	}
	if w.quirks["no fail-open"] {
		return w.nobody()
	}
	for i := range w.servers {
		if initial < 0 {
			break
		}
		s := w.servers[(initial+i)%len(w.servers)]
		if slices.Contains(w.tried, s) {
			continue
		}
		first := w.was == nil && !w.claimed && i == 0 && !w.memoryless
		before := len(w.tried)
		up := w.try(s, w.sticks(s, initial), true)
		if first && len(w.tried) > before {
			w.c.home, w.claimed = s, true
		}
		if up {
			return s
		}
	}
	if !slices.Contains(w.tried, w.emergency) && w.try(w.emergency, false, true) {
		return w.emergency
	}
	return w.nobody()
}

func (w *walk) denied() *modelServer {
	switch {
	case w.abuse != nil && w.try(w.abuse, false, !w.quirks["no fail-open"]):
		return w.abuse
	case w.abuse == nil && w.quirks["B9"] && !w.stubborn && w.try(w.emergency, false, false):
		return w.emergency
	case w.abuse != nil:
		w.last = w.abuse
	}
	return w.nobody()
}

// nobody closes the client. Pen then takes one from a server that never had it (B17).
func (w *walk) nobody() *modelServer {
	if w.quirks["B17"] && w.last != nil && w.last.live > 0 {
		w.last.live--
	}
	return nil
}

// visit is a client's whole session but for its end.
func (m *model) visit(client int, request string, held bool) string {
	c := &m.clients[client]
	c.connects++
	s := m.lead(c)
	session := modelSession{s}
	if held {
		m.held = append(m.held, session)
	}
	if s == nil {
		return "closed"
	}
	up, down := len(request), len(s.name)+1+len(farmAnswer)
	if m.forwarded {
		up += len("X-Forwarded-For: \r\nX-Forwarded-Proto: http\r\n") + len(c.addr.String())
	}
	c.received, c.sent = c.received+up, c.sent+down
	s.sent, s.received = s.sent+up, s.received+down
	line, _, _ := strings.Cut(request, "\r\n")
	m.log = append(m.log, fmt.Sprint(c.addr, " ", s.at.Addr(), " ", line))
	if !held {
		m.leave(session)
	}
	return s.name
}

// leave ends a session.
func (m *model) leave(s modelSession) {
	if s.server == nil {
		return
	}
	s.server.live = max(0, s.server.live-1)
}

func (m *model) drop(hold int) {
	m.leave(m.held[hold])
	m.held[hold].server = nil
}

// serversReply is the reply to `servers`.
func (m *model) serversReply() string {
	var b strings.Builder
	for i, s := range m.servers {
		addr, port := "(unknown address family 0", 0
		if s.at.IsValid() {
			addr, port = s.at.Addr().String(), int(s.at.Port())
		}
		fmt.Fprintf(&b, "%d addr %s port %d conn %d max %d hard %d weight %d prio %d sx %d rx %d\n", i, addr, port, s.live, s.soft, s.hard, s.weight, s.prio, s.sent, s.received)
	}
	return b.String()
}

// pageServers is what the page shows of the servers besides what `servers` does.
func (m *model) pageServers() string {
	var b strings.Builder
	for i, s := range m.servers {
		fmt.Fprintf(&b, "%d status %s\n", i, m.status(s))
	}
	return b.String()
}

// pageClients is what the page shows of the clients besides what `recent` does, sorted.
func (m *model) pageClients() string {
	var lines []string
	for _, c := range m.clients {
		if c.connects > 0 {
			lines = append(lines, fmt.Sprintf("%s last server %d\n", c.addr, m.number(c.home)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// recentReply is the reply to `recent`, sorted.
func (m *model) recentReply() string {
	var lines []string
	for _, c := range m.clients {
		if c.connects > 0 {
			lines = append(lines, fmt.Sprintf("%s connects %d sx %d rx %d\n", c.addr, c.connects, c.sent, c.received))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
