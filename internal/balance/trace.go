package balance

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"pen/affinity"
	"pen/internal/acl"
	"pen/internal/backend"
)

// trace writes down what a shadow decides, where it is decided. It judges nothing itself: all it has are the verdicts and what they were made from.
type trace struct {
	plan   *published
	client netip.Addr
	now    int64 // unix ns
	steps  []Step
}

func (t *trace) add(topic Topic, number int, ok bool, text ...string) {
	t.steps = append(t.steps, Step{topic, number, ok, strings.Join(text, "")})
}

// judges is told what the list of clients says.
func (t *trace) judges(list int, verdict acl.Verdict) {
	end := ": the client may come in"
	if !verdict.Permit {
		end = ": the client may not come in"
	}
	t.add(TopicList, NoNumber, verdict.Permit, "client_acl is ", t.line(list, verdict), end)
}

// allows is told what one client may have and what this one had before it came.
func (t *trace) allows(l affinity.Limits, e affinity.Entry) {
	if t.plan.Limits == (affinity.Limits{}) {
		return
	}
	if l == (affinity.Limits{}) {
		verdict := t.plan.Lists.Match(t.plan.ExemptACL, t.client, t.plan.Countries)
		t.add(TopicLimits, NoNumber, true, "the limits of clients are not for this one: client_exempt is ", t.line(t.plan.ExemptACL, verdict))
		return
	}
	verdict, atOnce := l.Foresee(e, t.now)
	text := fmt.Sprintf("the client has %d live connections", e.Live)
	if l.Conns > 0 {
		text += fmt.Sprintf(" and may have %d", l.Conns)
	}
	if l.Rate != (affinity.Rate{}) {
		_, left := affinity.Limits{Rate: l.Rate}.Foresee(e, t.now)
		text += fmt.Sprintf(", new ones at most at %v, of which %d are left", l.Rate, left)
	}
	if verdict == affinity.Admitted {
		text += fmt.Sprintf(": it may begin %d now", atOnce)
	} else {
		text += ": it " + refusals[verdict].String()
	}
	t.add(TopicLimits, NoNumber, verdict == affinity.Admitted, text)
}

// line is what in a list gave the verdict. Lines are counted from 1.
func (t *trace) line(list int, verdict acl.Verdict) string {
	entries := t.plan.Lists.Entries(list)
	name := fmt.Sprintf("list %d", acl.Number(list))
	switch {
	case verdict.Line >= 0:
		return fmt.Sprintf("%s, line %d, %q", name, verdict.Line+1, entries[verdict.Line])
	case len(entries) == 0:
		return name + ", which is empty"
	case !t.client.IsValid():
		return name + ", which a client of a Unix socket always passes"
	default:
		return fmt.Sprintf("%s, where no line matches, so that it is the opposite of the last, line %d, %q", name, len(entries), entries[len(entries)-1])
	}
}

// recalls is what the table knows of the client, if it does.
func (t *trace) recalls(e affinity.Entry, known bool) Step {
	if !known {
		return Step{TopicHome, NoNumber, false, "none: the client is not known"}
	}
	past := fmt.Sprintf("; connects %d, last at %s (%v ago)", e.Connects, clock(e.LastSeen), time.Duration(t.now-e.LastSeen).Truncate(time.Second))
	home := t.plan.find(e.Home)
	switch {
	case e.Home == 0:
		return Step{TopicHome, NoNumber, false, "none" + past}
	case home == nobody:
		return Step{TopicHome, NoNumber, false, "none: its server has left the plan" + past}
	}
	text := Called(home, t.plan.Servers[home].Name)
	if t.plan.RoundRobin {
		text = "none under roundrobin, but a hard limit where it was last, on " + text
	}
	return Step{TopicHome, home, !t.plan.RoundRobin, text + past}
}

// tries is told what speaks against a server, or that it was taken.
func (t *trace) tries(s *Server, slot *backend.Slot, verdict acl.Verdict, waived waiver, against objection) {
	number := t.plan.number(s)
	name := Called(number, s.Name)
	if verdict.Line >= 0 || !verdict.Permit {
		end := ": open to the client"
		if !verdict.Permit {
			end = ": closed to the client"
		}
		t.add(TopicList, number, verdict.Permit, name, " has ", t.line(s.ACL, verdict), end)
	}
	switch against {
	case forbidden:
		return
	case unset:
		t.add(TopicHealth, number, false, name, " has no address")
		return
	}
	h := slot.Health(t.now)
	text := t.condition(slot, h)
	if left := waived.off(h); left != h {
		text += "; that does not count for a client whose home it is"
	}
	if left := waived.off(h); !left.Usable() && against != out {
		text += "; that does not count now that nobody is left who is held to be well"
	}
	t.add(TopicHealth, number, against != out, name, " is ", text)
	if against == out {
		return
	}
	live := slot.Live()
	if against == none {
		live-- // this very connection
	}
	text = fmt.Sprintf(" has %d live connections, and no limit", live)
	if limit := s.limit(waived); limit != 0 {
		text = fmt.Sprintf(" has %d live connections and may have %d for this client (soft limit %d, hard limit %d)", live, limit, s.Soft, s.Hard)
	}
	t.add(TopicLimits, number, against != full, name, text)
}

// condition is a server's health in words.
func (t *trace) condition(slot *backend.Slot, h backend.Health) string {
	var parts []string
	if h.Banned {
		parts = append(parts, "blacklisted by the operator "+t.until(slot.BannedUntil()))
	}
	if h.Drained {
		parts = append(parts, "drained by the operator")
	}
	if h.ProbeDown {
		parts = append(parts, "down by its health checks")
	}
	if h.Shunned {
		parts = append(parts, "blacklisted after a failed connect "+t.until(slot.ShunnedUntil()))
	}
	if parts == nil {
		return "up"
	}
	return strings.Join(parts, ", and ")
}

// until is a time to come, by the clock of the operator's zone and from now.
func (t *trace) until(at int64) string {
	return fmt.Sprintf("until %s (for another %v)", clock(at), time.Duration(at-t.now).Round(time.Second))
}

func clock(at int64) string { return time.Unix(0, at).Format(time.DateTime) }

// picks is told what the algorithm finds for a client without a home: server i, or nobody; open says that automatic verdicts were passed over.
func (t *trace) picks(i int, why Why, open bool) {
	for j := range t.plan.Servers {
		s, slot := &t.plan.Servers[j], t.plan.slots[j]
		if !s.unset() && !t.plan.eligible(j, t.now, open) {
			t.add(TopicHealth, j, false, Called(j, s.Name), " is left out of the choice: ", t.condition(slot, slot.Health(t.now)))
		}
	}
	if open {
		t.add(TopicHealth, NoNumber, false, "nobody is up; those who are out by an automatic verdict only are chosen from")
	}
	if i == nobody {
		t.add(TopicAlgorithm, NoNumber, false, why.String(), " finds nobody")
		return
	}
	s, live := &t.plan.Servers[i], t.plan.slots[i].Live()
	text := map[Why]string{
		RoundRobin: "is next",
		Prio:       fmt.Sprintf("has the lowest priority number, %d", s.Prio),
		Weight:     fmt.Sprintf("is the least loaded for its weight, with %d live connections for weight %d", live, s.Weight),
		LeastConn:  fmt.Sprintf("has the fewest live connections, %d", live),
		Hash:       "is where the address falls",
	}[why]
	t.add(TopicAlgorithm, i, true, why.String(), ": ", Called(i, s.Name), " ", text)
}

// number is the number that the operator knows a server of the plan by.
func (p *Plan) number(s *Server) int {
	for i := range p.Servers {
		if s == &p.Servers[i] {
			return i
		}
	}
	if s == p.Abuse {
		return AbuseNumber
	}
	return EmergencyNumber
}

// Called is how a server is called in what an operator reads, by its number and name.
func Called(number int, name string) string {
	switch number {
	case EmergencyNumber:
		return "the emergency server " + name
	case AbuseNumber:
		return "the abuse server " + name
	case NoNumber:
		if name == "" {
			return "nobody"
		}
		return "the former server " + name
	default:
		return fmt.Sprintf("server %d %s", number, name)
	}
}
