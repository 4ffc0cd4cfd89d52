package balance

// byRoundRobin picks the eligible server after the one picked last. All loops turn one cursor.
// The cursor is set to the server that was picked and not just advanced: otherwise the server after one that is out would get its share as well.
func (b *Balancer) byRoundRobin(p *published, now int64, open bool) int {
	n := uint32(len(p.Servers))
	for {
		at := b.cursor.Load()
		i := nobody
		for step := range n {
			if next := int((at + 1 + step) % n); p.eligible(next, now, open) {
				i = next
				break
			}
		}
		if i == nobody || b.cursor.CompareAndSwap(at, uint32(i)) {
			return i
		}
	}
}
