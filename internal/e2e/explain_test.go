package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What an operator does to a client's home, limits and lists stands in the explanation, and its last line is where the client then goes.
func TestExplainTellsTheReason(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, addresses := serveNamed(t, 3)
		s := steer(t, poller, false, []string{"--blacklist", "600"}, addresses...)
		at := map[string]string{"a": "server 0 " + addresses[0], "b": "server 1 " + addresses[1], "c": "server 2 " + addresses[2]}
		one := loopback(1)
		home := mustVisit(t, one, s.address) // the first client goes to server 1
		if home != "b" {
			t.Fatalf("the first client is on %s", home)
		}
		for _, c := range []struct {
			do   string
			says string // one of the lines
			goes string // "": it is closed
		}{
			{"server 1 acl 0", "home: " + at["b"] + "; connects ", "b"},
			{"server 1 drain", "health: " + at["b"] + " is drained by the operator; that does not count for a client whose home it is", "b"},
			{"server 1 undrain", "health: " + at["b"] + " is up", "b"},
			{"server 1 blacklist 900", "health: " + at["b"] + " is blacklisted by the operator until ", "c"},
			{"server 2 max 1", "limits: " + at["c"] + " has 0 live connections and may have 1 for this client (soft limit 1, hard limit 0)", "c"},
			{"acl 3 deny " + one.String(), "then: if the connect to it fails: " + at["a"] + " (failover), then nobody", "c"},
			{"server 2 acl 3", "acl: " + at["c"] + " has list 3, line 1, \"deny " + one.String() + " 255.255.255.255\": closed to the client", "a"},
			{"stubborn", "health: " + at["b"] + " is blacklisted by the operator until ", ""},
			{"no stubborn", "then: if the connect to it fails: nobody", "a"},
			{"client_acl 3", "acl: client_acl is list 3, line 1, \"deny " + one.String() + " 255.255.255.255\": the client may not come in", ""},
		} {
			s.do(c.do)
			reply := s.do("explain " + one.String())
			if !strings.Contains("\n"+reply, "\n"+c.says) {
				t.Errorf("%s: no line begins with %q in\n%s", c.do, c.says, reply)
			}
			answer := "answer: nobody"
			if c.goes != "" {
				answer = "answer: " + at[c.goes]
			}
			lines := strings.Split(strings.TrimSuffix(reply, "\n"), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, answer) {
				t.Errorf("%s: %q, want %q", c.do, last, answer)
			}
			if got, err := visit(one, s.address); got != c.goes || (err == nil) != (c.goes != "") {
				t.Errorf("%s: the client goes to %q, %v, and not as explained:\n%s", c.do, got, err, reply)
			}
		}
		if code, reply := run(t, program, "ctl", s.control, "explain", "nonsense"); code == 0 || !strings.Contains(reply, "is no address of a client") {
			t.Errorf("explain nonsense: status %d, %q", code, reply)
		}
		if reply := s.do(fmt.Sprint("explain ", loopback(2))); !strings.Contains(reply, "home: none: the client is not known\n") {
			t.Errorf("a client that is not known:\n%s", reply)
		}
	})
}
