package balance

// Full reports whether a server that is up is passed over only because it has as many connections as it may. Safe for concurrent use; it reads, and judges nothing.
func (b *Balancer) Full(now int64) bool {
	p := b.Plan()
	for i := range p.Servers {
		s := &p.Servers[i]
		slot := b.slots.Get(s.ID)
		if slot.Health(now).Usable() && s.Soft > 0 && int(slot.Live()) >= s.Soft {
			return true
		}
	}
	return false
}
