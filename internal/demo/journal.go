package demo

import (
	"bytes"
	"sync"
)

// journalLines bounds what is kept of the balancer's log. The tour reads it every few seconds; only a flood is cut.
const journalLines = 2000

// journal keeps the latest lines of the balancer's output. Safe for concurrent use.
type journal struct {
	// constant after newJournal
	news chan struct{} // holds one token when lines may have come since it was last taken
	mu   sync.Mutex
	// guarded by mu
	lines   []string
	first   int    // number of lines[0], counted from the first line ever written
	partial []byte // the beginning of a line
}

func newJournal() *journal { return &journal{news: make(chan struct{}, 1)} }

// Write takes output as it comes, in pieces of any size. It never fails.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.partial = append(j.partial, p...)
	for {
		line, rest, found := bytes.Cut(j.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		j.add(string(line))
		j.partial = rest
	}
}

// Flush ends a last line that has no line feed.
func (j *journal) Flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.partial) > 0 {
		j.add(string(j.partial))
		j.partial = nil
	}
}

// add is called with mu held.
func (j *journal) add(line string) {
	j.lines = append(j.lines, line)
	if len(j.lines) > journalLines {
		j.lines = j.lines[1:]
		j.first++
	}
	select {
	case j.news <- struct{}{}:
	default:
	}
}

// Since returns the lines from number mark on, as far as they are kept, and the mark that continues after them.
func (j *journal) Since(mark int) (lines []string, next int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := min(max(mark-j.first, 0), len(j.lines))
	return append(lines, j.lines[from:]...), j.first + len(j.lines)
}

// Tail returns the last n lines.
func (j *journal) Tail(n int) []string {
	lines, _ := j.Since(0)
	return lines[max(0, len(lines)-n):]
}
