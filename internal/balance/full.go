package balance

// Full reports whether a server that is up is passed over only because it has as many connections as it may. Safe for concurrent use; it reads, and judges nothing.
func (b *Balancer) Full(now int64) bool {
	p := b.current.Load()
	for i := range p.Servers {
		s, slot := &p.Servers[i], p.slots[i] // a number that was skipped has a slot here, and no id
		if slot.Health(now).Usable() && s.Soft > 0 && int(slot.Live()) >= s.Soft {
			return true
		}
	}
	return false
}
