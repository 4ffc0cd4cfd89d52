package balance

import (
	"net/netip"
	"strings"
	"testing"

	"pen/internal/acl"
)

func listed(t *testing.T, n int, lines ...string) acl.Lists {
	t.Helper()
	var lists acl.Lists
	for _, line := range lines {
		e, err := acl.ParseEntry(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if lists, err = lists.Append(n, e); err != nil {
			t.Fatal(err)
		}
	}
	return lists
}

func TestDeniedClientIsClosedOrAbused(t *testing.T) {
	// PEN.md B9: a denied client with no abuse server was sent to the emergency server.
	for _, abuse := range []bool{false, true} {
		f := newFarm(t, Plan{}, Server{}, Server{})
		p := *f.Plan()
		p.Lists, p.ClientACL = listed(t, 3, "deny 10.0.0.1", "permit 10.0.0.2"), 3
		p.Emergency = &p.Servers[1]
		if abuse {
			s := p.Servers[0]
			p.Abuse = &s
		}
		f.Publish(&p)
		var a Attempt
		got, ok := f.Choose(Client{Addr: netip.MustParseAddrPort("10.0.0.1:5")}, 1, &a)
		if ok != abuse || a.Refusal() != Denied || ok && (got.Why != Abuse || got.Server != p.Abuse) {
			t.Errorf("abuse server %v: a denied client got %+v, %v", abuse, got, ok)
		}
		if ok {
			f.Failed(got.Server, 1)
			if again, ok := f.Choose(Client{Addr: netip.MustParseAddrPort("10.0.0.1:5")}, 1, &a); ok {
				t.Errorf("after the abuse server failed a denied client got %+v", again)
			}
		}
		var b Attempt
		got, ok = f.Choose(Client{Addr: netip.MustParseAddrPort("10.0.0.2:5")}, 1, &b)
		if !ok || b.Refusal() != NotRefused {
			t.Fatalf("a permitted client got %+v, %v", got, ok)
		}
		f.Abandoned(got.Server)
	}
}

func TestServerWhoseListDeniesTheClientIsPassedOver(t *testing.T) {
	f := newFarm(t, Plan{}, Server{}, Server{}, Server{})
	p := *f.Plan()
	p.Lists = listed(t, 7, "deny 10.0.0.1")
	p.Servers[1].ACL = 7 // the first in turn
	f.Publish(&p)
	for client, want := range map[string]int{"10.0.0.1:5": 2, "10.0.0.9:5": 0} {
		var a Attempt
		got, ok := f.Choose(Client{Addr: netip.MustParseAddrPort(client)}, 1, &a)
		if !ok || got.Server == &p.Servers[1] && client == "10.0.0.1:5" {
			t.Errorf("%s got %+v, %v, expected server %d or another that permits it", client, got, ok, want)
		}
		f.Abandoned(got.Server)
	}
}

func TestSkippedNumbersGetNobody(t *testing.T) {
	f := newFarm(t, Plan{}, Server{}, Server{})
	p := *f.Plan()
	p.Servers = append([]Server{{}, p.Servers[0], {}}, p.Servers[1:]...)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	f.Publish(&p)
	for port := range uint16(20) {
		var a Attempt
		got, ok := f.Choose(Client{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(port)}), port)}, 1, &a)
		if !ok || got.Server.unset() {
			t.Fatalf("got %+v, %v", got, ok)
		}
		f.Abandoned(got.Server)
	}
}
