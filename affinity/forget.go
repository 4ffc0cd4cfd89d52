package affinity

// Forget removes k and says whether it was there.
func (t *Table) Forget(k Key) bool {
	s, tag := t.hold(&k)
	defer s.mu.Unlock()
	i, found := s.find(&k, tag)
	if !found {
		return false
	}
	t.used.Add(-1)
	s.remove(i)
	return true
}

// Expire removes clients that were not visited for longer than the ttl, the least recently used first, at most budget of them, and returns how many.
// It looks at the tails of the stripes only: the work is in proportion to what it removes, whatever the size of the table.
func (t *Table) Expire(now int64, budget int) (removed int) {
	ttl := t.ttl.Load()
	if ttl == 0 {
		return 0
	}
	for removed < budget && t.expireOldest(seconds(now), ttl) {
		removed++
	}
	return removed
}

// expireOldest says no when the least recently used client has not expired, so that no other has, or when another goroutine was faster, who is at it then.
func (t *Table) expireOldest(now uint32, ttl int64) bool {
	s, stamp := t.holdLeastRecent()
	if s == nil {
		return false
	}
	defer s.mu.Unlock()
	if s.tail.Load() != stamp || !expired(s.slots[s.oldest].seen, now, ttl) {
		return false
	}
	t.used.Add(-1)
	s.remove(s.oldest)
	return true
}

// makeRoom removes the least recently used client, unless the table is not overfull any more. Whoever inserts calls it once, holding no stripe. That
// suffices: each insertion past the capacity is followed by one removal or by the sight of a table within its capacity.
func (t *Table) makeRoom(now uint32) {
	for t.used.Load() > t.bank.Load().capacity {
		s, stamp := t.holdLeastRecent()
		if s == nil {
			continue // removed by others since the loop's question
		}
		// The tail may have been visited or removed while it was not held.
		done := s.tail.Load() == stamp && t.takeExcess()
		if done {
			t.evict(s, now)
		}
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// holdLeastRecent returns, held, the stripe that had the oldest tail when it was looked for, and that tail's stamp then; nil if all were empty.
// A tail that has moved since is looked for again.
func (t *Table) holdLeastRecent() (s *stripe, stamp uint64) {
	for {
		if s, stamp = t.leastRecent(); s == nil {
			return nil, stamp
		}
		s.mu.Lock()
		if !s.leaving || s.tail.Load() == stamp {
			return s, stamp
		}
		s.mu.Unlock()
	}
}

// leastRecent returns the stripe with the oldest tail and that tail's stamp, or nil if all are empty. It holds nothing: ask the stripe again once it is held.
// The old bank comes first: a tail that has left it has been published in the next already.
func (t *Table) leastRecent() (s *stripe, stamp uint64) {
	stamp = noTail
	for b := t.bank.Load(); b != nil; b = b.next.Load() {
		for i := range b.tails {
			if tail := b.tails[i].Load(); tail < stamp {
				s, stamp = &b.stripes[i], tail
			}
		}
	}
	return s, stamp
}

// evict removes the tail of s, which the caller holds, to make room. The caller has taken it off t.used.
func (t *Table) evict(s *stripe, now uint32) {
	if !expired(s.slots[s.oldest].seen, now, t.ttl.Load()) {
		t.evictions.Add(1)
	}
	s.remove(s.oldest)
}

// takeExcess takes one entry off t.used if there are too many. The caller removes it before it lets go of the stripe.
func (t *Table) takeExcess() bool {
	for {
		used := t.used.Load()
		if used <= t.bank.Load().capacity {
			return false
		}
		if t.used.CompareAndSwap(used, used-1) {
			return true
		}
	}
}
