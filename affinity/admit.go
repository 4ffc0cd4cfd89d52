package affinity

// Admit counts a new connection of k, which becomes the most recently used client, and returns its home as Visit does, and whether it may be: what is not Admitted is not counted as a connect,
// neither is it live, nor does it cost the client any of its rate. A closed table admits everybody.
//
// Whoever was admitted has to Leave, once. Until then, so long as few enough clients have live connections (see refreshed), newcomers to a full table cost others their place.
// A client that is forgotten all the same begins anew with no live connection; so does one whose Leave is for another key.
//
// It takes one lock and does not allocate. The limits must be valid. When others come into force a bucket stays about as full as it was.
func (t *Table) Admit(k Key, now int64, limits Limits) (home uint32, v Verdict) {
	seen := seconds(now)
	s, i, used := t.meet(&k, seen)
	if s == nil {
		return 0, Admitted
	}
	e := &s.slots[i]
	if v, e.debt = limits.judge(e.live(), e.seen, e.debt, now); v == Admitted {
		e.connected()
		e.enter()
	}
	e.seen = seen
	home = uint32(e.home)
	t.letGo(s, used, seen)
	return home, v
}

// Leave counts out a connection that was admitted, and adds the bytes from (up) and to (down) the client that were not counted before. It is not a visit, and does nothing for a client that is forgotten.
func (t *Table) Leave(k Key, up, down uint64) {
	s, tag := t.hold(&k)
	defer s.mu.Unlock()
	if i, found := s.find(&k, tag); found {
		e := &s.slots[i]
		e.up += up
		e.down += down
		e.leave()
	}
}

// Adopt has the table know a client as another one knew it: home, live connections and bucket, and one connect more.
func (t *Table) Adopt(e Entry) {
	seen := seconds(e.LastSeen)
	s, i, used := t.meet(&e.Key, seen)
	if s == nil {
		return
	}
	n := &s.slots[i]
	n.connected()
	n.seen, n.home, n.debt = seen, uint16(e.Home), e.Debt
	n.stamped = n.stamp()<<liveBits | uint64(e.Live)
	t.letGo(s, used, seen)
}
