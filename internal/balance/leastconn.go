package balance

// byLeastConn picks the eligible server with the fewest live connections. The search begins after the server picked last, so that ties go round.
func (b *Balancer) byLeastConn(p *published, now int64, open bool) int {
	n := uint32(len(p.Servers))
	for {
		at := b.cursor.Load()
		least, fewest := nobody, int32(0)
		for step := range n {
			i := int((at + 1 + step) % n)
			if live := p.slots[i].Live(); (least == nobody || live < fewest) && p.eligible(i, now, open) {
				least, fewest = i, live
			}
		}
		if least == nobody || b.cursor.CompareAndSwap(at, uint32(least)) {
			return least
		}
	}
}
