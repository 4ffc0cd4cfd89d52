package loop

// complaints keeps a loop that meets the same trouble at every connection from drowning its log. Owned by the loop.
type complaints struct {
	second int64 // unix second the count is of
	count  int
}

const complaintsPerSecond = 5

// allow reports whether one more line may be written at a time, unix nanoseconds.
func (c *complaints) allow(now int64) bool {
	if s := now / 1e9; s != c.second {
		*c = complaints{second: s}
	}
	c.count++
	return c.count <= complaintsPerSecond
}
