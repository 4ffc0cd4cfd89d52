package account

import (
	"testing"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestSumAddsEveryFigureOfEveryLoop(t *testing.T) {
	a, b := new(Loop), new(Loop)
	a.Opened()
	a.Opened()
	b.Opened()
	a.Ended(ServerReset, 3)
	a.Add(BytesUp, 5)
	b.Add(BytesUp, 7)
	got := Read([]*Loop{a, b}).Totals
	if got.Live != 2 || got.Counts[Accepted] != 3 || got.Counts[BytesUp] != 12 || got.Ended[ServerReset] != 1 {
		t.Errorf("sum = %+v", got)
	}
}

func TestEveryFigureHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	attrs := Totals{}.Attrs()
	for i := 0; i < len(attrs); i += 2 {
		name := attrs[i].(string)
		if name == "" || name == "ended_" || seen[name] {
			t.Errorf("figure %d is named %q, empty or a second time", i/2, name)
		}
		seen[name] = true
	}
	if want := 2 + int(nCounts) + int(nCauses); len(seen) != want {
		t.Errorf("%d names for %d figures", len(seen), want)
	}
}
