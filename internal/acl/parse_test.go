package acl

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What Debian's pen 0.34.1 wrote back with `write` for these words. Where ours differs the row says so.
func TestParseEntry(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"permit 10.0.0.1", "permit 10.0.0.1 255.255.255.255"},
		{"deny 10.0.0.0 255.0.0.0", "deny 10.0.0.0 255.0.0.0"},
		{"permit 10.0.0.1 255.0.255.0", "permit 10.0.0.1 255.0.255.0"},
		{"permit 0.0.0.0 0.0.0.0", "permit 0.0.0.0 0.0.0.0"},
		{"permit 255.255.255.255", "permit 255.255.255.255 255.255.255.255"},
		{"permit 10", "permit 0.0.0.10 255.255.255.255"},
		{"permit 10.1", "permit 10.0.0.1 255.255.255.255"},
		{"permit 10.1.515", "permit 10.1.2.3 255.255.255.255"},
		{"permit 4294967295", "permit 255.255.255.255 255.255.255.255"},
		{"permit 0x7f.1", "permit 127.0.0.1 255.255.255.255"},
		{"permit 0XA.0x0.0.0", "permit 10.0.0.0 255.255.255.255"},
		{"permit 010.1.1.1", "permit 8.1.1.1 255.255.255.255"},
		{"permit 1.2.3.4 8", "permit 1.2.3.4 0.0.0.8"},
		{"permit 1.2.3.4 255.255.255.0 junk more", "permit 1.2.3.4 255.255.255.0"},
		{"permit 2001:db8::1", "permit 2001:db8::1/128"},
		{"permit 2001:db8::1/32", "permit 2001:db8::1/32"},
		{"permit ::/0", "permit ::/0"},
		{"deny 2001:DB8:0:0:0:0:0:1/128", "deny 2001:db8::1/128"},
		{"permit ::ffff:1.2.3.4", "permit ::ffff:1.2.3.4/128"},
		{"permit ::ffff:1.2.3.4/100", "permit ::ffff:1.2.3.4/100"},
		{"permit fe80::1%lo", "permit fe80::1/128"},
		{"permit 2001:db8::1 32", "permit 2001:db8::1/128"},
		{"permit country SE", "permit country SE"},
		{"deny country SE junk", "deny country SE"},
		{"permit country A1", "permit country A1"},
		{"permit country se", "permit country SE"},          // Pen keeps "se", which matches nobody
		{"permit 1.2.3.4/8", "permit 1.2.3.4 255.0.0.0"},    // Pen: bogus address
		{"deny 10.0.0.0/0", "deny 10.0.0.0 0.0.0.0"},        // Pen: bogus address
		{"deny 1.2.3.4/32", "deny 1.2.3.4 255.255.255.255"}, // Pen: bogus address
	} {
		e := entry(t, c.words)
		if got := e.String(); got != c.want {
			t.Errorf("%q reads as %q, want %q", c.words, got, c.want)
		}
		if e.Permit() != strings.HasPrefix(c.want, "permit ") {
			t.Errorf("%q: Permit is %t", c.words, e.Permit())
		}
		if again := entry(t, e.String()); again != e {
			t.Errorf("%q: read back as %q", e, again)
		}
	}
}

func TestParseEntryRefuses(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"allow 1.2.3.4", "acl: expected permit|deny"},
		{"PERMIT 1.2.3.4", "acl: expected permit|deny"},
		{"permit localhost", "acl: bogus address 'localhost'"},
		{"permit 300.1.1.1", "acl: bogus address '300.1.1.1'"},
		{"permit 1.2.3.256", "acl: bogus address '1.2.3.256'"},
		{"permit 1.2.65536", "acl: bogus address '1.2.65536'"},
		{"permit 4294967296", "acl: bogus address '4294967296'"},
		{"permit 1.2.3.4.5", "acl: bogus address '1.2.3.4.5'"},
		{"permit 1..2", "acl: bogus address '1..2'"},
		{"permit 1.2.", "acl: bogus address '1.2.'"},
		{"permit 08.1.1.1", "acl: bogus address '08.1.1.1'"},
		{"permit 0x.1.1.1", "acl: bogus address '0x.1.1.1'"},
		{"permit 0b1.1.1.1", "acl: bogus address '0b1.1.1.1'"},
		{"permit +1.1.1.1", "acl: bogus address '+1.1.1.1'"},
		{"permit 1_0.1.1.1", "acl: bogus address '1_0.1.1.1'"},
		{"permit Country SE", "acl: bogus address 'Country'"},
		{"permit 1.2.3.4 /8", "acl: bogus mask '/8'"},
		{"permit 1.2.3.4 255.255.255.256", "acl: bogus mask '255.255.255.256'"},
		{"permit 10 junk", "acl: bogus mask 'junk'"},
		{"permit foo:bar", "acl: can't convert address foo:bar"},
		{"permit 1::2::3", "acl: can't convert address 1::2::3"},
		{"deny country", "acl: expected country"},

		{"", "acl: expected permit|deny"},                             // Pen says nothing
		{"permit", "acl: expected address"},                           // Pen says nothing
		{"permit 2001:db8::1/129", "acl: bogus mask '129'"},           // Pen reads beyond the address
		{"permit 2001:db8::1/-1", "acl: bogus mask '-1'"},             // Pen: 255
		{"permit 2001:db8::1/x", "acl: bogus mask 'x'"},               // Pen: 0, which is everybody
		{"permit 2001:db8::1/", "acl: bogus mask ''"},                 // Pen: 0, which is everybody
		{"deny country SWE", "acl: bogus country 'SWE'"},              // Pen: SW
		{"deny country S", "acl: bogus country 'S'"},                  // Pen: "S "
		{"deny country S*", "acl: bogus country 'S*'"},                // Pen takes anything
		{"permit 1.2.3.4/33", "acl: bogus mask '33'"},                 // Pen: bogus address
		{"permit 1.2.3.4/", "acl: bogus mask ''"},                     // Pen: bogus address
		{"permit 1.2.3.4/8 255.0.0.0", "acl: bogus mask '255.0.0.0'"}, // Pen: bogus address
	} {
		e, err := ParseEntry(strings.Fields(c.words))
		if err == nil {
			t.Errorf("%q reads as %q, want error %q", c.words, e, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%q: error %q, want %q", c.words, err, c.want)
		}
		if e != (Entry{}) {
			t.Errorf("%q: refused, and yet %q", c.words, e)
		}
	}
}

func TestNotice(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"permit 10.0.0.0 255.0.0.0", ""},
		{"permit 10.0.0.1", ""},
		{"permit 2001:db8::/32", ""},
		{"permit ::ffff:0:0/96", ""},
		{"permit ::/97", ""},
		{"permit country SE", ""},
		{"permit 10.0.0.1 255.0.0.0", "acl: 10.0.0.1 255.0.0.0 matches nobody: the address has bits outside the mask; the network is 10.0.0.0 255.0.0.0"},
		{"permit 10.0.0.1/8", "acl: 10.0.0.1 255.0.0.0 matches nobody: the address has bits outside the mask; the network is 10.0.0.0 255.0.0.0"},
		{"deny 1.2.3.4 8", "acl: 1.2.3.4 0.0.0.8 matches nobody: the address has bits outside the mask; the network is 0.0.0.0 0.0.0.8"},
		{"deny 2001:db8::1/32", "acl: 2001:db8::1/32 matches nobody: the address has bits outside the mask; the network is 2001:db8::/32"},
		{"deny ::ffff:1.2.3.4/100", "acl: ::ffff:1.2.3.4/100 matches nobody: the address has bits outside the mask; the network is ::ffff:0.0.0.0/100"},
		{"permit ::/0", "acl: ::/0 matches IPv6 clients only; IPv4 clients need an entry of their own"},
		{"permit ::/80", "acl: ::/80 matches IPv6 clients only; IPv4 clients need an entry of their own"},
	} {
		if got := entry(t, c.words).Notice(); got != c.want {
			t.Errorf("%q: notice %q, want %q", c.words, got, c.want)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, words := range []string{
		"permit 10.0.0.0 255.0.0.0", "deny 2001:db8::1/32", "permit country SE", "deny 10.1/8", "permit ::ffff:1.2.3.4", "permit fe80::1%lo", "deny 0x7f.1", "permit", "deny a:b", "",
	} {
		f.Add(words)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Fields(text)
		e, err := ParseEntry(words)
		if err != nil {
			if e != (Entry{}) {
				t.Errorf("%q is refused with %v, and yet %q", words, err, e)
			}
			return
		}
		again, err := ParseEntry(strings.Fields(e.String()))
		if err != nil || again != e {
			t.Errorf("%q reads as %q, and that as %q, %v", words, e, again, err)
		}
		if more, err := ParseEntry(append(slices.Clip(strings.Fields(e.String())), "more")); err != nil || more != e {
			t.Errorf("%q with a word more reads as %q, %v", e, more, err)
		}
		e.Notice()
		var lists Lists
		if lists, err = lists.Append(0, e); err != nil {
			t.Fatal(err)
		}
		if e.form != country { // an entry matches its own network's first address, unless it says that it matches nobody
			network := e.network()
			v := lists.Match(0, network.addr, nil)
			if lonely := strings.Contains(e.Notice(), "matches nobody"); lonely == (v.Line == 0) {
				t.Errorf("%q against %s: %+v; notice %q", e, network.addr, v, e.Notice())
			}
		}
	})
}

// A mask that is a prefix length and one that is an address are the same thing.
func TestLengthIsMask(t *testing.T) {
	for n, mask := uint8(0), uint64(0); n <= 32; n, mask = n+1, mask>>1|1<<31 {
		a := ipv4Of(uint32(mask))
		short := netip.PrefixFrom(ipv4Of(0), int(n)).String()
		if got, want := entry(t, "deny "+short), entry(t, "deny 0.0.0.0 "+a.String()); got != want {
			t.Errorf("%s is %q, want %q", short, got, want)
		}
	}
}
