package balance

import "testing"

func TestFull(t *testing.T) {
	for _, c := range []struct {
		soft, live int
		down, want bool
	}{{0, 5, false, false}, {3, 2, false, false}, {3, 3, false, true}, {3, 4, false, true}, {3, 4, true, false}} {
		f := newFarm(t, Plan{}, Server{Soft: c.soft})
		f.load("0", c.live)
		if c.down {
			f.down("0")
		}
		if got := f.Full(f.now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
