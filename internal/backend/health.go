package backend

// Health says why a server is out, if it is. The zero value is a server in good health.
type Health struct {
	ProbeDown bool // automatic: its checks fail
	Shunned   bool // automatic: a connect failed a short while ago
	Banned    bool // the operator's word: nobody goes there
	Drained   bool // the operator's word: no new clients
}

// Usable reports that nothing speaks against the server, for any client.
func (h Health) Usable() bool { return h == Health{} }

// AutomaticOnly reports that the server is out, and only by automatic verdicts: advice, which may be overridden when there is no server left.
func (h Health) AutomaticOnly() bool { return (h.ProbeDown || h.Shunned) && !h.Banned && !h.Drained }

// Health returns what stands against the server at now (unix ns). Each part is exact; the parts may be from different instants.
func (s *Slot) Health(now int64) Health {
	state := s.state.Load()
	return Health{
		ProbeDown: state&probeDown != 0,
		Shunned:   now < s.shunned.Load(),
		Banned:    now < s.banned.Load(),
		Drained:   state&drained != 0,
	}
}

// SetProbe sets the verdict of the checks and reports whether it is a new one. Only the prober calls it.
func (s *Slot) SetProbe(up bool) (changed bool) {
	if up {
		return s.state.And(^probeDown)&probeDown != 0
	}
	return s.state.Or(probeDown)&probeDown == 0
}

// SetDrained says whether new clients stay away. Only the control calls it.
func (s *Slot) SetDrained(on bool) {
	if on {
		s.state.Or(drained)
	} else {
		s.state.And(^drained)
	}
}

// Shun keeps the server out until then (unix ns), on the evidence of a failed connect. It never shortens a shun. The loops call it.
func (s *Slot) Shun(until int64) { raise(&s.shunned, until) }

// Forgive ends a shun because a check has passed, and reports whether there was one on record, run out or not. A ban stays. Only the prober calls it.
func (s *Slot) Forgive() (ended bool) { return s.shunned.Swap(0) != 0 }

// Ban keeps the server out until then (unix ns), on the operator's word; 0 lifts the ban. Only the control calls it.
func (s *Slot) Ban(until int64) { s.banned.Store(until) }

// ShunnedUntil is when the last shun ends or ended (unix ns), 0 if there is none on record.
func (s *Slot) ShunnedUntil() int64 { return s.shunned.Load() }

// BannedUntil is when the operator's ban ends or ended (unix ns), 0 if there is none on record.
func (s *Slot) BannedUntil() int64 { return s.banned.Load() }
