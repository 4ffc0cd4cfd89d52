package affinity

import (
	"net/netip"
	"testing"
)

func TestPrefixKey(t *testing.T) {
	for _, c := range []struct {
		prefix Prefix
		addr   string
		want   string // as Key.Addr prints it
	}{
		{Prefix{32, 128}, "192.0.2.7", "192.0.2.7"},
		{Prefix{32, 128}, "::ffff:192.0.2.7", "192.0.2.7"},
		{Prefix{32, 128}, "::ffff:192.0.2.7%eth0", "192.0.2.7"},
		{Prefix{24, 128}, "192.0.2.7", "192.0.2.0"},
		{Prefix{24, 16}, "::ffff:192.0.2.7", "192.0.2.0"},
		{Prefix{31, 64}, "192.0.2.7", "192.0.2.6"},
		{Prefix{25, 64}, "192.0.2.200", "192.0.2.128"},
		{Prefix{1, 64}, "192.0.2.7", "128.0.0.0"},
		{Prefix{0, 64}, "192.0.2.7", "0.0.0.0"},
		{Prefix{255, 255}, "192.0.2.7", "192.0.2.7"},
		{Prefix{32, 128}, "2001:db8::7", "2001:db8::7"},
		{Prefix{32, 128}, "fe80::7%eth0", "fe80::7"},
		{Prefix{32, 64}, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{Prefix{8, 57}, "2001:db8:1:ffff:3:4:5:6", "2001:db8:1:ff80::"},
		{Prefix{8, 127}, "2001:db8::7", "2001:db8::6"},
		{Prefix{8, 1}, "2001:db8::7", "invalid IP"},
		{Prefix{8, 1}, "8001:db8::7", "8000::"},
		{Prefix{8, 0}, "8001:db8::7", "invalid IP"},
		{Prefix{255, 255}, "2001:db8::7", "2001:db8::7"},
	} {
		k := c.prefix.Key(netip.MustParseAddr(c.addr))
		if got := k.Addr().String(); got != c.want {
			t.Errorf("%v of %s is %s, want %s", c.prefix, c.addr, got, c.want)
		}
	}
}

func TestZeroKeyIsTheUnixClient(t *testing.T) {
	if k := (Prefix{32, 128}).Key(netip.Addr{}); k != (Key{}) {
		t.Errorf("an invalid address gives %v", k)
	}
	if (Key{}).Addr().IsValid() {
		t.Error("the zero Key has an address")
	}
	table := heapTable(4, 0, layoutFor(4))
	table.Visit(Key{}, start)
	table.Claim(Key{}, start, 3)
	if home := table.Visit(Key{}, start); home != 3 {
		t.Errorf("the Unix client's home is %d, want 3", home)
	}
}

func TestIPv6ClientsAreComparedWhole(t *testing.T) {
	// PEN.md B2: on IPv6 all of 2xxx::/8 was one client, and so were all v4-mapped clients.
	table := heapTable(16, 0, layoutFor(16))
	whole := Prefix{32, 128}
	addrs := []string{"2001:db8::1", "2001:db8::2", "2002:db8::1", "2001:db8:0:1::1", "::ffff:10.0.0.1", "::ffff:10.0.0.2"}
	for i, a := range addrs {
		k := whole.Key(netip.MustParseAddr(a))
		if home := table.Visit(k, start); home != 0 {
			t.Errorf("%s is taken for another client, with home %d", a, home)
		}
		table.Claim(k, start, uint32(i+1))
	}
	for i, a := range addrs {
		if home := table.Visit(whole.Key(netip.MustParseAddr(a)), start); home != uint32(i+1) {
			t.Errorf("home of %s is %d, want %d", a, home, i+1)
		}
	}
	if home := table.Visit(whole.Key(netip.MustParseAddr("10.0.0.1")), start); home != 5 {
		t.Errorf("10.0.0.1 is not the client ::ffff:10.0.0.1: home %d, want 5", home)
	}
}
