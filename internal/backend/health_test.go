package backend

import (
	"sync"
	"testing"
)

func TestHealth(t *testing.T) {
	const now = 1_000
	for _, c := range []struct {
		name      string
		do        func(*Slot)
		want      Health
		usable    bool
		automatic bool
	}{
		{"new", func(*Slot) {}, Health{}, true, false},
		{"probe down", func(s *Slot) { s.SetProbe(false) }, Health{ProbeDown: true}, false, true},
		{"probe down and up", func(s *Slot) { s.SetProbe(false); s.SetProbe(true) }, Health{}, true, false},
		{"drained", func(s *Slot) { s.SetDrained(true) }, Health{Drained: true}, false, false},
		{"drained and back", func(s *Slot) { s.SetDrained(true); s.SetDrained(false) }, Health{}, true, false},
		{"shunned for one more ns", func(s *Slot) { s.Shun(now + 1) }, Health{Shunned: true}, false, true},
		{"shun run out this ns", func(s *Slot) { s.Shun(now) }, Health{}, true, false},
		{"a shun is not shortened", func(s *Slot) { s.Shun(now + 9); s.Shun(now - 9) }, Health{Shunned: true}, false, true},
		{"shunned and forgiven", func(s *Slot) { s.Shun(now + 9); s.Forgive() }, Health{}, true, false},
		{"banned", func(s *Slot) { s.Ban(now + 1) }, Health{Banned: true}, false, false},
		{"a ban is shortened", func(s *Slot) { s.Ban(now + 9); s.Ban(now) }, Health{}, true, false},
		{"a ban is lifted", func(s *Slot) { s.Ban(now + 9); s.Ban(0) }, Health{}, true, false},
		{"a check forgives no ban", func(s *Slot) { s.Ban(now + 9); s.Shun(now + 9); s.Forgive() }, Health{Banned: true}, false, false},
		{"a check lifts no drain", func(s *Slot) { s.SetDrained(true); s.SetProbe(false); s.SetProbe(true) }, Health{Drained: true}, false, false},
		{"no drain hides the checks", func(s *Slot) { s.SetProbe(false); s.SetDrained(true); s.SetDrained(false) }, Health{ProbeDown: true}, false, true},
		{"automatic twice", func(s *Slot) { s.SetProbe(false); s.Shun(now + 9) }, Health{ProbeDown: true, Shunned: true}, false, true},
		{"automatic and drained", func(s *Slot) { s.Shun(now + 9); s.SetDrained(true) }, Health{Shunned: true, Drained: true}, false, false},
		{"automatic and banned", func(s *Slot) { s.SetProbe(false); s.Ban(now + 9) }, Health{ProbeDown: true, Banned: true}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Slot
			c.do(&s)
			h := s.Health(now)
			if h != c.want || h.Usable() != c.usable || h.AutomaticOnly() != c.automatic {
				t.Errorf("health %+v usable %v automatic only %v, want %+v %v %v", h, h.Usable(), h.AutomaticOnly(), c.want, c.usable, c.automatic)
			}
		})
	}
}

func TestOnlyAChangeIsReported(t *testing.T) {
	var s Slot
	for i, step := range []struct{ up, changed bool }{{true, false}, {false, true}, {false, false}, {true, true}, {true, false}} {
		if got := s.SetProbe(step.up); got != step.changed {
			t.Errorf("step %d: SetProbe(%v) reports %v, want %v", i, step.up, got, step.changed)
		}
	}
	if s.Forgive() {
		t.Error("a server that was never shunned is forgiven")
	}
	s.Shun(5)
	if !s.Forgive() || s.Forgive() || s.ShunnedUntil() != 0 {
		t.Error("one shun is to be forgiven once, and then off the record")
	}
	s.Ban(7)
	if s.BannedUntil() != 7 || s.ShunnedUntil() != 0 {
		t.Errorf("banned until %d, shunned until %d; want 7, 0", s.BannedUntil(), s.ShunnedUntil())
	}
}

// The prober's bit and the control's share a word: neither may lose the other's last write.
func TestWritersDoNotDisturbEachOther(t *testing.T) {
	const rounds = 5_000
	var s Slot
	var wg sync.WaitGroup
	wg.Go(func() { // the prober
		for i := range rounds {
			if !s.SetProbe(i%2 == 1) {
				t.Error("the prober's own bit changed under it")
				return
			}
		}
	})
	wg.Go(func() { // the control
		for i := range rounds {
			s.SetDrained(i%2 == 0)
			if s.Health(0).Drained != (i%2 == 0) {
				t.Error("the control's own bit changed under it")
				return
			}
		}
	})
	for l := range 2 {
		wg.Go(func() { // the loops
			for i := range rounds {
				s.Shun(int64(2*i + l))
				s.AddFailure(int64(2*i + l))
			}
		})
	}
	wg.Wait()
	if last := int64(2*rounds - 1); s.ShunnedUntil() != last || s.LastFailure() != last {
		t.Errorf("shunned until %d, last failure %d; want the latest, %d", s.ShunnedUntil(), s.LastFailure(), last)
	}
	if h := s.Health(2 * rounds); h != (Health{}) || s.Failures() != 2*rounds {
		t.Errorf("in the end %+v and %d failures, want good health and %d", h, s.Failures(), 2*rounds)
	}
}
