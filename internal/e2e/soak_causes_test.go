//go:build !race

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// spellRecord is one trouble that was, and the server it befell.
type spellRecord struct {
	trouble  *trouble
	server   string
	from, to time.Time
}

// closed is a line of pen's log: how one connection ended.
type closed struct {
	Time                  time.Time
	Client, Server, Cause string
	Lasted                float64 // seconds
	BytesUp               int64   `json:"bytes_up"`
	BytesDown             int64   `json:"bytes_down"`
}

// blur is how far two clocks may read differently on a busy machine.
const blur = 100 * time.Millisecond

// explained reports whether an ending is what one would see with no trouble at all, or what a trouble in the connection's lifetime brings about.
func (s *soak) explained(c *closed) bool {
	if c.Cause == "client_fin" {
		return true
	}
	if _, did := s.resets.Load(c.Client); did && c.Cause == "client_reset" {
		return true
	}
	began := c.Time.Add(-time.Duration(c.Lasted * float64(time.Second)))
	// Those that were over before it began are passed over by halving.
	first, _ := slices.BinarySearchFunc(s.spells, began.Add(-blur), func(r spellRecord, t time.Time) int { return r.to.Compare(t) })
	for _, r := range s.spells[first:] {
		if r.from.After(c.Time.Add(blur)) {
			return false
		}
		if slices.Contains(strings.Fields(r.trouble.causes), c.Cause) && (!r.trouble.own || r.server == c.Server) {
			return true
		}
	}
	return false
}

// tally is what the log says of all connections.
type tally struct {
	lines    int
	up, down int64
	clients  map[string]int // by address, without the port
	causes   map[string]int
}

// readLog reads what has come to the log since the last time, holds every ending against the troubles, and adds it up.
func (s *soak) readLog(sum *tally) {
	s.t.Helper()
	f, err := os.Open(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(s.readSoFar, 0); err != nil {
		s.t.Fatal(err)
	}
	for lines := bufio.NewReader(f); ; {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return // a line that is not whole is for the next time
		}
		s.readSoFar += int64(len(text))
		var c closed
		if err := json.Unmarshal(text, &c); err != nil {
			s.t.Errorf("log line %q: %v", text, err)
			continue
		}
		sum.lines++
		sum.up += c.BytesUp
		sum.down += c.BytesDown
		sum.causes[c.Cause]++
		sum.clients[c.Client[:strings.LastIndexByte(c.Client, ':')]]++
		if !s.explained(&c) {
			s.unexplained++
			if s.unexplained <= 10 {
				s.t.Errorf("an ending that no trouble explains: %s", text)
			}
		}
	}
}

// remembered is pen's client table, as `recent` has it.
func (s *soak) remembered() (connects map[string]int, up, down int64) {
	s.t.Helper()
	connects = map[string]int{}
	for line := range strings.Lines(s.pen.quick(fmt.Sprint("recent ", 1<<30))) {
		var who string
		var n int
		var sent, received int64
		if _, err := fmt.Sscanf(line, "%s connects %d sx %d rx %d", &who, &n, &sent, &received); err != nil {
			continue // the verdict
		}
		if _, twice := connects[who]; twice {
			s.t.Errorf("client %s is in the table twice", who)
		}
		connects[who] = n
		up, down = up+received, down+sent // as the client's peer sees it: PEN.md 1.2
	}
	return connects, up, down
}
