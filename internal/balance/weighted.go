package balance

// byWeight picks the eligible server with the lowest load for its weight, 256 * live / weight in whole numbers, the first of equals (PEN.md 1.4 item 4).
// A server without a weight gets no new clients this way; if none has one, nobody does.
func (p *published) byWeight(now int64, open bool) int {
	least, lowest := nobody, 0
	for i := range p.Servers {
		weight := p.Servers[i].Weight
		if weight == 0 {
			continue
		}
		if load := 256 * int(p.slots[i].Live()) / weight; (least == nobody || load < lowest) && p.eligible(i, now, open) {
			least, lowest = i, load
		}
	}
	return least
}
