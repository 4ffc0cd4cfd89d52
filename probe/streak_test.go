package probe

import (
	"math/rand/v2"
	"testing"
)

func TestStreak(t *testing.T) {
	for _, test := range []struct {
		name       string
		rise, fall int
		results    string // + pass, - failure
		verdicts   string // after each result: U up, D down; lower case: in doubt
	}{
		{"all passes", 2, 3, "++++", "UUUU"},
		{"falls at the third", 2, 3, "---", "uuD"},
		{"stays down", 2, 3, "-----", "uuDDD"},
		{"a pass starts the fall again", 2, 3, "--+--+--+---", "uuUuuUuuUuuD"},
		{"rises at the second", 2, 3, "---++", "uuDdU"},
		{"a failure starts the rise again", 2, 3, "---+-+-++", "uuDdDdDdU"},
		{"nothing is carried over a turn", 2, 3, "---++--+---", "uuDdUuuUuuD"},
		{"one strike each way", 1, 1, "-+-+", "DUDU"},
		{"slow to rise", 4, 1, "-++++-", "DdddUD"},
	} {
		var s streak
		got, was := "", false
		for _, r := range test.results {
			turned := s.add(r == '+', test.rise, test.fall)
			if turned != (s.down != was) {
				t.Errorf("%s: add says turned=%v while down goes from %v to %v", test.name, turned, was, s.down)
			}
			was = s.down
			got += string("UuDd"[index(s.doubted())+2*index(s.down)])
		}
		if got != test.verdicts {
			t.Errorf("%s: rise %d fall %d %s gives %s, want %s", test.name, test.rise, test.fall, test.results, got, test.verdicts)
		}
	}
}

// TestStreakAgainstHistory compares with the definition read off the whole history: the verdict turns when the last rise (or fall) results all contradict it.
func TestStreakAgainstHistory(t *testing.T) {
	const seed = 16
	random := rand.New(rand.NewPCG(seed, seed))
	for range 500 {
		rise, fall := 1+random.IntN(5), 1+random.IntN(5)
		var s streak
		var since []bool // results since the last turn
		isDown := false
		for step := range 60 {
			passed := random.IntN(3) > 0
			s.add(passed, rise, fall)
			since = append(since, passed)
			need := fall
			if isDown {
				need = rise
			}
			against := 0
			for i := len(since) - 1; i >= 0 && since[i] == isDown; i-- {
				against++
			}
			if against >= need {
				isDown, since = !isDown, nil
			}
			if s.down != isDown {
				t.Fatalf("seed %d rise %d fall %d step %d: down %v, want %v", seed, rise, fall, step, s.down, isDown)
			}
		}
	}
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
