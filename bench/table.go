package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// tableWidth is how many columns of a terminal a table may take.
const tableWidth = 120

// column is a column of a sheet.
type column struct {
	Head  string
	Left  bool // its cells stand to the left
	Peer  bool // its cells are peers' names, which may be cut
	Spare bool // left out on a terminal when room is short
	Wide  bool // only where there is room: not on a terminal
}

// sheet is a table, for a terminal or for a page.
type sheet struct {
	Columns []column
	Rows    [][]string
}

// Has says that the sheet has a row.
func (s sheet) Has() bool { return len(s.Rows) > 0 }

// without returns the sheet less the columns that out names.
func (s sheet) without(out func(i int) bool) sheet {
	var kept sheet
	kept.Rows = make([][]string, len(s.Rows))
	for i, c := range s.Columns {
		if out(i) {
			continue
		}
		kept.Columns = append(kept.Columns, c)
		for r, row := range s.Rows {
			kept.Rows[r] = append(kept.Rows[r], row[i])
		}
	}
	return kept
}

// withoutEmpty leaves out the columns in which nothing is told.
func (s sheet) withoutEmpty() sheet {
	return s.without(func(i int) bool {
		for _, row := range s.Rows {
			if row[i] != "" && row[i] != nothing {
				return false
			}
		}
		return !s.Columns[i].Peer
	})
}

// withoutSilent leaves out the rows of which nothing is told: those of peers that were not measured. A mark that something went wrong is something.
func (s sheet) withoutSilent() sheet {
	s.Rows = slices.DeleteFunc(s.Rows, func(row []string) bool {
		for i, cell := range row {
			if c := s.Columns[i]; cell != "" && cell != nothing && !c.Peer || c.Peer && strings.HasSuffix(cell, trouble) {
				return false
			}
		}
		return true
	})
	return s
}

// trouble ends the name of a peer with which something went wrong.
const trouble = " !"

// shortestPeer is the least that is left of a peer's name.
const shortestPeer = 10

// fit makes the sheet narrow enough for a terminal: it leaves out the columns that can be spared, the last first, and then cuts the names of peers.
func (s sheet) fit() sheet {
	s = s.without(func(i int) bool { return s.Columns[i].Wide })
	for i := len(s.Columns) - 1; i >= 0 && s.width() > tableWidth; i-- {
		if s.Columns[i].Spare {
			s = s.without(func(j int) bool { return j == i })
		}
	}
	over := s.width() - tableWidth
	if over <= 0 {
		return s
	}
	widths := s.widths()
	for i, c := range s.Columns {
		if !c.Peer {
			continue
		}
		for _, row := range s.Rows {
			row[i] = shortenMiddle(row[i], max(shortestPeer, widths[i]-over))
		}
	}
	return s
}

const (
	tableIndent = 2
	tableGap    = 2
)

func (s sheet) widths() []int {
	w := make([]int, len(s.Columns))
	for i, c := range s.Columns {
		w[i] = utf8.RuneCountInString(c.Head)
		for _, row := range s.Rows {
			w[i] = max(w[i], utf8.RuneCountInString(row[i]))
		}
	}
	return w
}

func (s sheet) width() int {
	sum := tableIndent - tableGap
	for _, w := range s.widths() {
		sum += tableGap + w
	}
	return sum
}

// Text lays the sheet out for a terminal, a line under the head.
func (s sheet) Text() string {
	s = s.fit()
	widths := s.widths()
	var b strings.Builder
	write := func(cells []string) {
		line := strings.Repeat(" ", tableIndent)
		for i, cell := range cells {
			if i > 0 {
				line += strings.Repeat(" ", tableGap)
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if s.Columns[i].Left {
				line += cell + pad
			} else {
				line += pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	var heads []string
	for _, c := range s.Columns {
		heads = append(heads, c.Head)
	}
	write(heads)
	b.WriteString("  " + strings.Repeat("─", s.width()-tableIndent) + "\n")
	for _, row := range s.Rows {
		write(row)
	}
	return b.String()
}
