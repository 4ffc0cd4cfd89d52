package probe

// streak judges one target by its results in a row. The zero value is up with no result against it. Not safe for concurrent use.
type streak struct {
	down bool // the verdict in force
	run  int  // results in a row that contradict the verdict; 0 <= run < rise or fall
}

// add takes one result and reports whether it turned the verdict: fall failures in a row take an up target down, rise passes in a row bring a down one up, and a
// result that agrees with the verdict starts the count again. rise and fall are at least 1.
func (s *streak) add(passed bool, rise, fall int) (turned bool) {
	if passed != s.down {
		s.run = 0
		return false
	}
	s.run++
	need := fall
	if s.down {
		need = rise
	}
	if s.run < need {
		return false
	}
	*s = streak{down: !s.down}
	return true
}

// doubted says that the latest result contradicts the verdict.
func (s *streak) doubted() bool { return s.run > 0 }
