package balance

// Connected counts a connect that succeeded and ends the Attempt: a home that it gave its client is confirmed and stays.
func (b *Balancer) Connected(_ Client, _ int64, s *Server, a *Attempt) {
	b.slots.Get(s.ID).AddConnect()
	*a = Attempt{}
}

// Failed notes that s refused the connect or let it time out: it is shunned for the blacklist time, and the live connection is given back. It reports whether that is news: the server was not shunned before.
func (b *Balancer) Failed(s *Server, now int64) (news bool) {
	slot := b.slots.Get(s.ID)
	news = !slot.Health(now).Shunned
	slot.AddFailure(now)
	slot.Shun(now + int64(b.Plan().BlacklistTime)) // before the count drops, so that nobody takes the place unwarned
	slot.Release()
	return news
}

// Abandoned gives the live connection of s back without judging it: the trouble was ours, or the client had gone before the connect ended.
func (b *Balancer) Abandoned(s *Server) { b.slots.Get(s.ID).Release() }

// Moved counts bytes that c's live connection carried to and from s since the last call, for the server and for the client. It takes one table lock.
func (b *Balancer) Moved(c Client, stay Stay, s *Server, up, down uint64) {
	b.slots.Get(s.ID).AddBytes(up, down)
	b.table.Count(stay.prefix.Key(c.Addr.Addr()), up, down)
}

// Left counts c's connection out, whatever became of it, with the bytes that Moved has not been told; nil: of no server. It takes one table lock, for one that was refused and carried nothing none.
func (b *Balancer) Left(c Client, stay Stay, s *Server, up, down uint64) {
	switch {
	case stay.counted:
		b.table.Leave(stay.prefix.Key(c.Addr.Addr()), up, down)
	case up+down > 0:
		b.table.Count(stay.prefix.Key(c.Addr.Addr()), up, down)
	}
	if s != nil {
		b.slots.Get(s.ID).AddBytes(up, down)
	}
}

// Closed gives the live connection of s back. What it carried Moved or Left has been told.
func (b *Balancer) Closed(s *Server) { b.slots.Get(s.ID).Release() }
