package backend

// Take counts one more live connection unless limit are live already, and reports whether it did. 0 is no limit. The check and the count are one step:
// however many loops call at once, the count never passes the limit. Every Take that returns true is paired with one Release.
func (s *Slot) Take(limit int32) bool {
	if limit == 0 {
		s.live.Add(1)
		return true
	}
	for {
		live := s.live.Load()
		if live >= limit {
			return false
		}
		if s.live.CompareAndSwap(live, live+1) {
			return true
		}
	}
}

// Release gives back what Take counted. It panics when there was nothing to give back: resetting the count would hide the bug (PEN.md B11, B17).
func (s *Slot) Release() {
	if s.live.Add(-1) < 0 {
		panic("backend: a live connection is released twice")
	}
}

// Live is how many connections are live: chosen for this server, and neither closed nor given up.
func (s *Slot) Live() int32 { return s.live.Load() }

// AddBytes counts bytes carried: up from clients to the server, down from the server to clients.
func (s *Slot) AddBytes(up, down uint64) {
	if up != 0 {
		s.up.Add(up)
	}
	if down != 0 {
		s.down.Add(down)
	}
}

// Up is how many bytes went from clients to the server.
func (s *Slot) Up() uint64 { return s.up.Load() }

// Down is how many bytes came from the server for clients.
func (s *Slot) Down() uint64 { return s.down.Load() }

// AddConnect counts a connect that succeeded.
func (s *Slot) AddConnect() { s.connects.Add(1) }

// Connects is how many connects have succeeded.
func (s *Slot) Connects() uint64 { return s.connects.Load() }

// AddFailure counts a connect that failed at now (unix ns).
func (s *Slot) AddFailure(now int64) {
	s.failures.Add(1)
	raise(&s.lastFailure, now)
}

// Failures is how many connects have failed.
func (s *Slot) Failures() uint64 { return s.failures.Load() }

// LastFailure is when a connect failed last (unix ns), 0 for never.
func (s *Slot) LastFailure() int64 { return s.lastFailure.Load() }
