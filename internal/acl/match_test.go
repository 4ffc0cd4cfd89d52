package acl

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// PEN.md 1.16. Each rule here but the country ones was tried on Debian's pen 0.34.1, with clients on loopback; where it answers otherwise a comment says so.
func TestMatch(t *testing.T) {
	world := &atlas{codes: map[string]string{"10.0.0.1": "SE", "2001:db8::1": "NO", "10.0.0.9": "Sweden"}}
	for _, c := range []struct {
		name, list, client string
		want               Verdict
	}{
		{"empty list", "", "10.0.0.1", Verdict{true, -1}},
		{"unix, empty list", "", "", Verdict{true, -1}},
		{"unix, list that permits another", "permit 10.0.0.1", "", Verdict{true, -1}},
		{"unix, list that denies all", "deny 0.0.0.0 0.0.0.0", "", Verdict{true, -1}},

		{"first match permits", "permit 10.0.0.1\ndeny 10.0.0.0 255.0.0.0", "10.0.0.1", Verdict{true, 0}},
		{"second match denies", "permit 10.0.0.1\ndeny 10.0.0.0 255.0.0.0", "10.0.0.2", Verdict{false, 1}},
		{"order, not precision, decides", "deny 10.0.0.0 255.0.0.0\npermit 10.0.0.1", "10.0.0.1", Verdict{false, 0}},
		{"no match after deny permits", "permit 10.0.0.1\ndeny 10.0.0.0 255.0.0.0", "11.0.0.1", Verdict{true, -1}},
		{"no match after permit denies", "deny 10.0.0.1\npermit 10.0.0.0 255.0.0.0", "11.0.0.1", Verdict{false, -1}},

		{"host bit set never matches", "permit 10.0.0.1 255.0.0.0", "10.0.0.1", Verdict{false, -1}},
		{"nor as deny", "deny 10.0.0.1 255.0.0.0", "10.0.0.1", Verdict{true, -1}},
		{"mask with a hole", "permit 10.0.7.0 255.0.255.0", "10.99.7.1", Verdict{true, 0}},
		{"mask with a hole, other", "permit 10.0.7.0 255.0.255.0", "10.99.8.1", Verdict{false, -1}},
		{"mask of nothing", "deny 0.0.0.0 0.0.0.0", "255.255.255.255", Verdict{false, 0}},

		{"IPv6 network", "permit ::/64", "::1", Verdict{true, 0}},
		{"IPv6 host bit set", "permit ::5/64", "::1", Verdict{false, -1}},
		{"IPv6 host bit set, its own address", "permit ::1/64", "::1", Verdict{false, -1}},
		{"IPv6 inside a byte", "permit ::/127", "::1", Verdict{true, 0}},
		{"IPv6 inside a byte, other", "permit ::2/127", "::1", Verdict{false, -1}},
		{"IPv6 whole address", "permit ::1", "::1", Verdict{true, 0}},
		{"IPv6 high half", "deny 2001:db8::/33", "2001:db8:7fff::1", Verdict{false, 0}},
		{"IPv6 high half, other", "deny 2001:db8::/33", "2001:db8:8000::1", Verdict{true, -1}},
		{"IPv4 entry, IPv6 client", "permit 127.0.0.1", "::1", Verdict{false, -1}},
		{"IPv6 entry, IPv4 client", "permit ::/0", "127.0.0.1", Verdict{false, -1}},
		{"zone is ignored", "deny fe80::1", "fe80::1%lo", Verdict{false, 0}},

		// Pen keeps a mapped client mapped (B2), so an IPv4 entry misses it.
		{"mapped client, IPv4 entry", "deny 127.0.0.1", "::ffff:127.0.0.1", Verdict{false, 0}},
		{"mapped client, mapped entry", "deny ::ffff:127.0.0.1", "::ffff:127.0.0.1", Verdict{false, 0}},
		{"mapped client, mapped network", "deny ::ffff:127.0.0.0/104", "::ffff:127.9.9.9", Verdict{false, 0}},
		{"IPv4 client, mapped entry", "deny ::ffff:127.0.0.1", "127.0.0.1", Verdict{false, 0}},
		{"IPv4 client, all mapped addresses", "deny ::ffff:0:0/96", "9.9.9.9", Verdict{false, 0}},

		{"country", "permit country SE", "10.0.0.1", Verdict{true, 0}},
		{"country, mapped client", "permit country SE", "::ffff:10.0.0.1", Verdict{true, 0}},
		{"country of an IPv6 client", "deny country no", "2001:db8::1", Verdict{false, 0}},
		{"another country", "deny country SE", "2001:db8::1", Verdict{true, -1}},
		{"country not known", "permit country SE", "10.0.0.2", Verdict{false, -1}},
		{"country in words", "permit country SW", "10.0.0.9", Verdict{false, -1}},
		{"address before country", "deny 10.0.0.1\npermit country SE", "10.0.0.1", Verdict{false, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := listed(t, 4, c.list).Match(4, address(c.client), world); got != c.want {
				t.Errorf("%s against %q: %+v, want %+v", c.client, c.list, got, c.want)
			}
			// The same list behind entries that match nobody, so that it is indexed.
			long := strings.Repeat("deny 1.2.3.4 255.0.0.0\n", 2*block)
			if c.list == "" {
				return
			}
			want := c.want
			if want.Line >= 0 {
				want.Line += 2 * block
			}
			lists := listed(t, 4, long+c.list+strings.Repeat("\n"+lastLine(c.list), block))
			if got := lists.Match(4, address(c.client), world); got != want {
				t.Errorf("%s against the long list: %+v, want %+v", c.client, got, want)
			}
		})
	}
}

func lastLine(list string) string { return list[strings.LastIndexByte(list, '\n')+1:] }

func TestNoCountriesMatchNoCountry(t *testing.T) {
	if got := listed(t, 0, "deny country SE").Match(0, address("10.0.0.1"), nil); got != (Verdict{true, -1}) {
		t.Errorf("without a database: %+v", got)
	}
}

// A look-up is dear: it happens once for all country entries, and not at all if an address decides before them.
func TestCountryIsAskedAtMostOnce(t *testing.T) {
	var long strings.Builder
	for n := range 3*block + 2 {
		fmt.Fprintf(&long, "deny country A%d\n", n%10)
	}
	for _, c := range []struct {
		list string
		want int
	}{
		{"deny 10.0.0.0/8\ndeny country SE", 0},
		{"deny country NO\ndeny country DK\npermit country SE", 1},
		{long.String(), 1},
		{"deny 10.0.0.0/8\n" + long.String(), 0},
	} {
		world := &atlas{codes: map[string]string{"10.0.0.1": "SE"}}
		listed(t, 0, c.list).Match(0, address("10.0.0.1"), world)
		if world.asked != c.want {
			t.Errorf("%.60q…: asked %d times, want %d", c.list, world.asked, c.want)
		}
	}
}

// PEN.md B10: `server 0 acl 10` read out of bounds, and so may no number here.
func TestNumbersOutOfBounds(t *testing.T) {
	lists := listed(t, 0, "deny 10.0.0.0/8")
	for _, n := range []int{-1 << 63, -1, 10, 1<<63 - 1} {
		if got := lists.Match(n, address("10.0.0.1"), nil); got != (Verdict{false, 0}) {
			t.Errorf("Match(%d): %+v, want what list 0 says", n, got)
		}
		if got := lists.Entries(n); len(got) != 1 {
			t.Errorf("Entries(%d): %v", n, got)
		}
		after, err := lists.Append(n, entry(t, "permit 1.1.1.1"))
		if want := fmt.Sprintf("add_acl: %d outside (0,10)", n); err == nil || err.Error() != want || after != lists {
			t.Errorf("Append(%d): %v, want %q and the lists as they were", n, err, want)
		}
		after, err = lists.Clear(n)
		if want := fmt.Sprintf("del_acl: %d outside (0,10)", n); err == nil || err.Error() != want || after != lists {
			t.Errorf("Clear(%d): %v, want %q and the lists as they were", n, err, want)
		}
	}
	for n := range Count {
		if Number(n) != n {
			t.Errorf("Number(%d) is %d", n, Number(n))
		}
	}
}

// An edit makes new lists: whoever holds the old ones reads on undisturbed, also when two edits start from the same lists.
func TestEditsLeaveTheOldListsAlone(t *testing.T) {
	old := listed(t, 3, strings.Repeat("deny 10.0.0.0/8\n", block+block/2))
	want := old.Entries(3)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for range 2000 {
				if got := old.Match(3, address("11.0.0.1"), nil); got != (Verdict{true, -1}) {
					t.Errorf("old lists now say %+v", got)
					return
				}
			}
		})
	}
	one, two := old, old
	for range 2 * block {
		var err error
		if one, err = one.Append(3, entry(t, "permit 11.0.0.1")); err != nil {
			t.Fatal(err)
		}
		if two, err = two.Append(3, entry(t, "permit 12.0.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	readers.Wait()
	for name, c := range map[string]struct {
		lists  Lists
		client string
		want   Verdict
	}{
		"one":        {one, "11.0.0.1", Verdict{true, len(want)}},
		"two":        {two, "12.0.0.1", Verdict{true, len(want)}},
		"one, other": {one, "12.0.0.1", Verdict{false, -1}},
		"two, other": {two, "11.0.0.1", Verdict{false, -1}},
		"old":        {old, "11.0.0.1", Verdict{true, -1}},
	} {
		if got := c.lists.Match(3, address(c.client), nil); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	cleared, err := one.Clear(3)
	if err != nil {
		t.Fatal(err)
	}
	if len(cleared.Entries(3)) != 0 || len(one.Entries(3)) != len(want)+2*block || len(old.Entries(3)) != len(want) {
		t.Errorf("after Clear: %d, %d and %d entries", len(cleared.Entries(3)), len(one.Entries(3)), len(old.Entries(3)))
	}
}

func TestListsAreSeparate(t *testing.T) {
	var lists Lists
	for n := range Count {
		var err error
		if lists, err = lists.Append(n, entry(t, fmt.Sprintf("permit 10.0.0.%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	lists, err := lists.Clear(5)
	if err != nil {
		t.Fatal(err)
	}
	for n := range Count {
		for host := range Count {
			want := host == n || n == 5
			if got := lists.Match(n, address(fmt.Sprintf("10.0.0.%d", host)), nil).Permit; got != want {
				t.Errorf("list %d, host %d: %t", n, host, got)
			}
		}
	}
}
