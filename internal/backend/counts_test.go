package backend

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestTakeStopsAtTheLimit(t *testing.T) {
	var s Slot
	for i, c := range []struct {
		limit int32
		want  bool
		live  int32
	}{{2, true, 1}, {2, true, 2}, {2, false, 2}, {3, true, 3}, {1, false, 3}, {0, true, 4}, {4, false, 4}} {
		if got := s.Take(c.limit); got != c.want || s.Live() != c.live {
			t.Errorf("step %d: Take(%d) = %v with %d live, want %v with %d", i, c.limit, got, s.Live(), c.want, c.live)
		}
	}
	s.Release()
	if !s.Take(4) {
		t.Error("what was released cannot be taken")
	}
}

func TestTakeNeverPassesTheLimit(t *testing.T) {
	const loops, rounds, limit = 8, 3_000, 3
	var s Slot
	var over, taken atomic.Int32
	var wg sync.WaitGroup
	for range loops {
		wg.Go(func() {
			for range rounds {
				if !s.Take(limit) {
					continue
				}
				taken.Add(1)
				if s.Live() > limit {
					over.Add(1)
				}
				s.Release()
			}
		})
	}
	wg.Wait()
	if over.Load() != 0 || s.Live() != 0 || taken.Load() == 0 {
		t.Errorf("%d times over the limit, %d live at the end, %d taken; want 0, 0, some", over.Load(), s.Live(), taken.Load())
	}
}

// PEN.md B11: a negative count is a bug to be seen, not a number to be reset.
func TestReleaseTwicePanics(t *testing.T) {
	var s Slot
	s.Take(0)
	s.Release()
	defer func() {
		if recover() == nil {
			t.Error("a second release passes")
		}
	}()
	s.Release()
}

func TestCounts(t *testing.T) {
	var s Slot
	if s.LastFailure() != 0 {
		t.Errorf("last failure %d, want 0 for never", s.LastFailure())
	}
	s.AddBytes(3, 0)
	s.AddBytes(0, 5)
	s.AddBytes(1, 1)
	s.AddConnect()
	s.AddFailure(20)
	s.AddFailure(10) // a slower loop reports late
	if s.Up() != 4 || s.Down() != 6 || s.Connects() != 1 || s.Failures() != 2 || s.LastFailure() != 20 {
		t.Errorf("up %d down %d connects %d failures %d last %d, want 4 6 1 2 20", s.Up(), s.Down(), s.Connects(), s.Failures(), s.LastFailure())
	}
}
