package acl

import (
	"net/netip"
	"strings"
	"testing"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// entry parses words that are in order.
func entry(t testing.TB, words string) Entry {
	t.Helper()
	e, err := ParseEntry(strings.Fields(words))
	if err != nil {
		t.Fatalf("ParseEntry(%q): %v", words, err)
	}
	return e
}

// listed returns lists whose list n holds the entries, one per line of words; "" gives an empty list.
func listed(t testing.TB, n int, words string) (l Lists) {
	t.Helper()
	for line := range strings.Lines(words) {
		var err error
		if l, err = l.Append(n, entry(t, line)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// address is netip.MustParseAddr with "" for a Unix client.
func address(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

// atlas is Countries by hand; it counts the questions.
type atlas struct {
	codes map[string]string
	asked int
}

func (a *atlas) Country(addr netip.Addr) string {
	a.asked++
	return a.codes[addr.String()]
}
