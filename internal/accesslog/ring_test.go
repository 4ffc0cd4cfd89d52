package accesslog

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestRingAgainstAQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 6))
	r := newRing(8, 10)
	var model []int64
	for i := range int64(10_000) {
		if random.IntN(9) < 5 {
			number, ok := r.put(i, v4, "s", nil)
			if ok != (len(model) < 8) {
				t.Fatalf("step %d: put is %t with %d lines in a ring for 8", i, ok, len(model))
			}
			if ok {
				if number != r.head.Load()-1 {
					t.Fatalf("step %d: line number %d, want %d", i, number, r.head.Load()-1)
				}
				model = append(model, i)
			}
		} else if e := r.next(); (e != nil) != (len(model) > 0) {
			t.Fatalf("step %d: next is %v with %d lines", i, e, len(model))
		} else if e != nil {
			if e.at != model[0] {
				t.Fatalf("step %d: next is line %d, want %d", i, e.at, model[0])
			}
			r.pop()
			model = model[1:]
		}
		if r.waiting() != len(model) {
			t.Fatalf("step %d: %d waiting, want %d", i, r.waiting(), len(model))
		}
	}
}

// A caller that is taken off its processor between taking a place and filling it stops the reader, and no other caller.
func TestACallerHalfwayHoldsUpNobody(t *testing.T) {
	r := newRing(4, 10)
	r.head.Add(1) // it has taken place 0
	for i := range 3 {
		if _, ok := r.put(now, v4, "s", nil); !ok {
			t.Fatalf("put %d refused", i)
		}
	}
	if _, ok := r.put(now, v4, "s", nil); ok {
		t.Error("a fifth line in a ring for 4")
	}
	if r.next() != nil || r.waiting() != 4 {
		t.Errorf("next %v, %d waiting; want none, 4", r.next(), r.waiting())
	}
	r.cells[0].turn.Store(1) // it comes back
	for range 4 {
		if r.next() == nil {
			t.Fatal("lines are missing")
		}
		r.pop()
	}
	if _, ok := r.put(now, v4, "s", nil); !ok {
		t.Error("an empty ring is full")
	}
}

func TestLineAllocatesNothing(t *testing.T) {
	l := opened(t, "/dev/null", quiet)
	for _, client := range []netip.Addr{v4, v6, {}} {
		// The writer's work is counted too: allocations are the whole process's.
		if n := testing.AllocsPerRun(20_000, func() { l.Line(now, client, "10.0.0.1", get) }); n != 0 {
			t.Errorf("%v: %v allocations a line", client, n)
		}
	}
}
