package balance

// byPrio picks the eligible server with the lowest priority number, the first of equals. Limits do not count here (PEN.md 1.4 item 3).
func (p *published) byPrio(now int64, open bool) int {
	first := nobody
	for i := range p.Servers {
		if (first == nobody || p.Servers[i].Prio < p.Servers[first].Prio) && p.eligible(i, now, open) {
			first = i
		}
	}
	return first
}
