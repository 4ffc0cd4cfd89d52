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

func TestASkippedNumberIsNotFull(t *testing.T) {
	f := newFarm(t, Plan{}, Server{Soft: 1}, Server{Soft: 1})
	f.load("1", 1)
	p := *f.Plan()
	p.Servers = []Server{p.Servers[0], {}}
	if f.Publish(&p); f.Full(f.now) {
		t.Error("full, with server 0 free and server 1 gone")
	}
}
