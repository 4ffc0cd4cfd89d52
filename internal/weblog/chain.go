package weblog

// The records of one key form a chain from the newest to the oldest. Each also points further back, so that a time is found in a chain in logarithmically many steps: the jump pointers of
// E. W. Myers, "An applicative random-access stack" (1983). A request that everybody makes has a long chain.

// link puts a record before the newest of its chain. Where a jump would end among records no more held, a new series of jumps begins.
func (r *recent) link(rec *record, older ref) {
	rec.older, rec.jump, rec.span = older, older, 1
	o, _ := r.at(older)
	if o.jump < r.head {
		return
	}
	if j, _ := r.at(o.jump); j.span == o.span {
		rec.jump, rec.span = j.jump, o.span+j.span+1
	}
}

// nearest is the record of what is in use that is nearest to a time; of equally near ones the one added first.
func (r *recent) nearest(time int64) (best ref, ok bool) {
	newest, ok := r.find()
	if !ok {
		return 0, false
	}
	if r.disorder >= r.head {
		best = r.nearestOf(newest, time)
	} else {
		best = r.nearestInOrder(newest, time)
	}
	return best, r.isInUse(best)
}

// nearestOf walks a whole chain. This is for times that are not in order.
func (r *recent) nearestOf(newest ref, time int64) (best ref) {
	best = newest
	for at := newest; at >= r.head; {
		rec, _ := r.at(at)
		if distance(rec.time, time) <= distance(r.time(best), time) {
			best = at
		}
		at = rec.older
	}
	return best
}

func (r *recent) nearestInOrder(newest ref, time int64) ref {
	before := newest
	if r.time(newest) >= time {
		after := r.firstSince(newest, time)
		rec, _ := r.at(after)
		if before = rec.older; before < r.head || time-r.time(before) > rec.time-time {
			return after
		}
	}
	return r.firstSince(before, r.time(before))
}

// firstSince is the oldest record of a chain that is not before a time. The one it starts from must not be.
func (r *recent) firstSince(at ref, time int64) ref {
	since := func(at ref) bool { return at >= r.head && r.time(at) >= time }
	for {
		rec, _ := r.at(at)
		switch {
		case since(rec.jump):
			at = rec.jump
		case since(rec.older):
			at = rec.older
		default:
			return at
		}
	}
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
