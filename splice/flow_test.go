package splice

import (
	"math/rand"
	"testing"
	"unsafe"
)

// Steps for the tables: each changes a flow, and says what Splicing must answer afterwards.
type step struct {
	what string
	do   func(*Flow)
	want bool
}

const buffer = 64 << 10

func copied(n int, want bool) step {
	return step{"copied", func(f *Flow) { f.Copied(n, buffer) }, want}
}
func spliced(n int, want bool) step {
	return step{"spliced", func(f *Flow) { f.Spliced(n) }, want}
}
func noPipe(want bool) step  { return step{"no pipe", (*Flow).NoPipe, want} }
func refused(want bool) step { return step{"refused", (*Flow).Refused, want} }

func steps(list ...[]step) (all []step) {
	for _, l := range list {
		all = append(all, l...)
	}
	return all
}

func times(n int, s step) (all []step) {
	for range n {
		all = append(all, s)
	}
	return all
}

func TestFlow(t *testing.T) {
	one := func(s step) []step { return []step{s} }
	// retreat is one full read and the four small splices after it: a flow that was wrong to splice once.
	retreat := steps(one(copied(buffer, true)), times(3, spliced(100, true)), one(spliced(100, false)))

	tests := []struct {
		name  string
		mode  Mode
		start bool
		steps []step
	}{
		{"auto copies small reads", Auto, false, times(1000, copied(buffer-1, false))},
		{"auto: the first full read starts splicing", Auto, false, steps(times(3, copied(200, false)), one(copied(buffer, true)))},
		{"auto: the fourth small splice in a row ends it", Auto, false, retreat},
		{"auto: a splice of 16 KiB breaks the row", Auto, false, steps(one(copied(buffer, true)),
			times(3, spliced(small-1, true)), one(spliced(small, true)), times(3, spliced(1, true)), one(spliced(1, false)))},
		{"auto: after one retreat two full reads in a row are wanted", Auto, false, steps(retreat,
			one(copied(buffer, false)), one(copied(buffer-1, false)), one(copied(buffer, false)), one(copied(buffer, true)))},
		{"auto: a large splice restores trust", Auto, false, steps(retreat,
			one(copied(buffer, false)), one(copied(buffer, true)), one(spliced(large, true)),
			times(3, spliced(1, true)), one(spliced(1, false)), one(copied(buffer, false)), one(copied(buffer, true)))},
		{"auto: a splice between small and large does not", Auto, false, steps(retreat,
			one(copied(buffer, false)), one(copied(buffer, true)), one(spliced(large-1, true)),
			times(3, spliced(1, true)), one(spliced(1, false)), times(3, copied(buffer, false)), one(copied(buffer, true)))},
		{"auto: large splices do not make trust below the first", Auto, false, steps(one(copied(buffer, true)), times(300, spliced(large, true)),
			times(3, spliced(1, true)), one(spliced(1, false)), one(copied(buffer, false)), one(copied(buffer, true)))},
		{"auto: no pipe copies for now and tries again", Auto, false, steps(one(copied(buffer, true)), one(noPipe(false)),
			one(copied(buffer, false)), one(copied(buffer, true)), one(noPipe(false)), times(3, copied(buffer, false)), one(copied(buffer, true)))},
		{"auto: refused is for good", Auto, false, steps(one(copied(buffer, true)), one(refused(false)), times(500, copied(buffer, false)), one(noPipe(false)))},
		{"auto: a report out of turn changes nothing", Auto, false, steps(one(spliced(large, false)), one(noPipe(false)),
			one(copied(buffer, true)), one(copied(1, true)), one(copied(buffer, true)))},

		{"always splices from the start and whatever comes", Always, true, times(500, spliced(1, true))},
		{"always: no pipe, a short read, again", Always, true, steps(one(noPipe(false)), one(copied(1, false)), one(copied(1, true)))},
		{"always: refused is for good", Always, true, steps(one(refused(false)), times(500, copied(1, false)), times(500, copied(buffer, false)))},

		{"never copies", Never, false, steps(times(500, copied(buffer, false)), one(spliced(large, false)), one(noPipe(false)), times(500, copied(buffer, false)))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := Flow{mode: Never, run: 7, wait: 3} // Start forgets the connection before
			f.Start(test.mode)
			if f.Splicing() != test.start {
				t.Fatalf("starts with splicing %v", f.Splicing())
			}
			for i, s := range test.steps {
				s.do(&f)
				if f.Splicing() != s.want {
					t.Fatalf("step %d (%s): splicing %v, want %v", i, s.what, f.Splicing(), s.want)
				}
			}
		})
	}
}

// A flow that never earns it tries ever more seldom, and never gives up: 1, 2, 4, 8, 16, 16, … full reads between two attempts.
func TestFlowWaitsLongerAfterEachRetreat(t *testing.T) {
	var f Flow
	for attempt, want := range []int{1, 2, 4, 8, 16, 16, 16} {
		reads := 0
		for ; !f.Splicing() && reads < 1000; reads++ {
			f.Copied(buffer, buffer)
		}
		if reads != want {
			t.Fatalf("attempt %d after %d full reads, want %d", attempt, reads, want)
		}
		for range smallInARow {
			f.Spliced(1)
		}
		if f.Splicing() {
			t.Fatalf("attempt %d: still splicing after %d small splices", attempt, smallInARow)
		}
	}
}

// Whatever a flow is told, its counters stay in bounds: it can always both start and end splicing within a bounded number of reports. A refused one never splices.
func TestFlowNeverSticks(t *testing.T) {
	const seed = 20010911
	random := rand.New(rand.NewSource(seed))
	var f Flow
	for i := range 20000 {
		switch random.Intn(4) {
		case 0:
			f.Copied(1+random.Intn(buffer), buffer)
		case 1:
			f.Copied(buffer, buffer)
		case 2:
			f.Spliced(1 + random.Intn(4*large))
		case 3:
			if random.Intn(8) == 0 {
				f.NoPipe()
			}
		}
		on, off, gone := f, f, f
		for range 1 << maxWait {
			on.Copied(buffer, buffer)
		}
		for range smallInARow {
			off.Spliced(1)
		}
		gone.Refused()
		gone.Copied(buffer, buffer)
		if !on.Splicing() || off.Splicing() || gone.Splicing() {
			t.Fatalf("seed %d, report %d, %+v: on %v, off %v, refused %v", seed, i, f, on.Splicing(), off.Splicing(), gone.Splicing())
		}
	}
}

// Every idle connection holds two flows.
func TestFlowIsFourBytes(t *testing.T) {
	if n := unsafe.Sizeof(Flow{}); n > 4 {
		t.Errorf("a Flow takes %d bytes", n)
	}
}

func TestMode(t *testing.T) {
	for _, m := range []Mode{Auto, Always, Never} {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("ParseMode(%q) = %v, %v", m.String(), got, err)
		}
	}
	for _, s := range []string{"", "Auto", "on", "splice.Mode(3)"} {
		if m, err := ParseMode(s); err == nil {
			t.Errorf("ParseMode(%q) = %v without an error", s, m)
		}
	}
	_, err := ParseMode("on")
	if want := `splice mode "on": want auto, always or never`; err.Error() != want {
		t.Errorf("ParseMode says %q, want %q", err, want)
	}
}
