package acl

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// seed makes the random tests the same in every run.
const seed = 16

// naive judges by Pen's words alone: one entry after the other, on the addresses' bytes.
func naive(entries []Entry, client netip.Addr, countries Countries) Verdict {
	if len(entries) == 0 || !client.IsValid() {
		return Verdict{true, -1}
	}
	client = client.Unmap().WithZone("")
	for i, e := range entries {
		if naiveMatch(e, client, countries) {
			return Verdict{e.permit, i}
		}
	}
	return Verdict{!entries[len(entries)-1].permit, -1}
}

func naiveMatch(e Entry, client netip.Addr, countries Countries) bool {
	var mask, want, have []byte
	switch {
	case e.form == country:
		return countries.Country(client) == string(e.code[:])
	case e.form == masked && client.Is4():
		mask, want, have = e.mask.AsSlice(), e.addr.AsSlice(), client.AsSlice()
	case e.form == prefixed && (client.Is6() || e.addr.Is4In6() && e.length >= 96):
		all := client.As16()
		mask, want, have = make([]byte, 16), e.addr.AsSlice(), all[:]
		for bit := range e.length {
			mask[bit/8] |= 0x80 >> (bit % 8)
		}
	default:
		return false
	}
	for i := range mask {
		if have[i]&mask[i] != want[i] {
			return false
		}
	}
	return true
}

// small is a world of few addresses, so that entries and clients meet often.
type small struct{ *rand.Rand }

func (s small) addr() netip.Addr {
	b := [16]byte{0: 0x20, 1: byte(s.IntN(2)), 7: byte(s.IntN(4)), 8: byte(s.IntN(2)) << 7, 15: byte(s.IntN(8))}
	v4 := [4]byte{10, byte(s.IntN(4)), byte(s.IntN(2)) << 7, byte(s.IntN(16))}
	switch s.IntN(6) {
	case 0:
		return netip.Addr{}
	case 1, 2:
		return netip.AddrFrom16(b)
	case 3:
		return netip.AddrFrom16(netip.AddrFrom4(v4).As16())
	default:
		return netip.AddrFrom4(v4)
	}
}

func (s small) entry(t *testing.T) Entry {
	verb := [2]string{"permit", "deny"}[s.IntN(2)]
	addr := s.addr()
	switch {
	case !addr.IsValid():
		return entry(t, fmt.Sprintf("%s country %c%c", verb, 'A'+s.IntN(3), 'A'+s.IntN(3)))
	case addr.Is4() && s.IntN(8) == 0: // a mask with holes
		return entry(t, fmt.Sprintf("%s %s %d.%d.%d.%d", verb, addr, s.IntN(256), s.IntN(256), s.IntN(256), s.IntN(256)))
	case s.IntN(8) == 0: // most likely with host bits
		return entry(t, fmt.Sprintf("%s %s/%d", verb, addr, s.IntN(addr.BitLen()+1)))
	}
	return entry(t, fmt.Sprintf("%s %s", verb, netip.PrefixFrom(addr, addr.BitLen()-s.IntN(20)).Masked()))
}

func (small) Country(addr netip.Addr) string {
	b := addr.As16()
	if b[15] == 7 {
		return ""
	}
	return string([]byte{'A' + b[15]%4, 'A' + b[13]%4})
}

// Lists grown entry by entry, through every length at which runs join, say what the naive reading says.
func TestMatchAgainstModel(t *testing.T) {
	t.Logf("seed %d", seed)
	world := small{rand.New(rand.NewPCG(seed, 0))}
	indexed, decided := 0, 0
	for range 12 {
		var lists Lists
		var entries []Entry
		for range 10 * block {
			e := world.entry(t)
			if world.IntN(3) > 0 {
				e = entry(t, "deny 192.0.2.1") // keeps late entries reachable
			}
			entries = append(entries, e)
			var err error
			if lists, err = lists.Append(7, e); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				client := world.addr()
				got, want := lists.Match(7, client, world), naive(entries, client, world)
				if got != want {
					t.Fatalf("%v against %v: %+v, want %+v", client, entries, got, want)
				}
				decided += min(got.Line+1, 1)
			}
		}
		for i, e := range lists.Entries(7) {
			if e != entries[i] {
				t.Fatalf("entry %d is %q, want %q", i, e, entries[i])
			}
		}
		if err := verify(lists.list(7)); err != nil {
			t.Fatal(err)
		}
		indexed += len(lists.list(7))
	}
	if indexed < 24 || decided < 10000 {
		t.Errorf("the test has gone blind: %d runs, %d verdicts by an entry", indexed, decided)
	}
}

// verify says which invariant of list does not hold.
func verify(l list) error {
	next := 0
	for i, r := range l {
		if r.first != next || len(r.entries) == 0 {
			return fmt.Errorf("run %d: %d entries from %d, want from %d", i, len(r.entries), r.first, next)
		}
		next += len(r.entries)
		if (r.index != nil) != (len(r.entries) >= block) || (r.rules == nil) != (r.index != nil) {
			return fmt.Errorf("run %d of %d entries: index %t, rules %t", i, len(r.entries), r.index != nil, r.rules != nil)
		}
		if i > 0 && len(r.entries) >= len(l[i-1].entries) {
			return fmt.Errorf("run %d is as long as the one before it", i)
		}
	}
	return nil
}
