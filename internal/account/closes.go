package account

// closesKept is how many endings a loop remembers: a screenful, 10 KB.
const closesKept = 64

// Closes is a loop's memory of its last abnormal endings. The zero value is ready. Owned by the loop.
type Closes struct {
	ring [closesKept]Trail
	next int
}

// Keep remembers an ending and forgets the oldest for it.
func (c *Closes) Keep(t *Trail) {
	c.ring[c.next%closesKept] = *t
	c.next++
}

// Each yields the endings, the oldest first.
func (c *Closes) Each(yield func(*Trail) bool) {
	for i := max(0, c.next-closesKept); i < c.next; i++ {
		if !yield(&c.ring[i%closesKept]) {
			return
		}
	}
}
