package demo

import (
	"strconv"
	"strings"
)

// gridColumns is how many columns fit beside the names within screenWidth, bars included.
const gridColumns = 28

// grid is a table of who answered whom: a row for each client, a column for each moment, in each cell the number of the server. An x is a request that failed.
type grid struct {
	rows  []string
	cells [][]int // columns of cells; a nil column is a bar
	drawn int     // columns that are not bars
}

func newGrid(clients []*client) *grid {
	g := &grid{}
	for _, c := range clients {
		g.rows = append(g.rows, c.name)
	}
	return g
}

// Add appends a column while there is room.
func (g *grid) Add(column []int) {
	if g.drawn < gridColumns {
		g.cells = append(g.cells, column)
		g.drawn++
	}
}

// Bar marks that something happened here.
func (g *grid) Bar() { g.cells = append(g.cells, nil) }

// Lines renders the grid for s, with an empty line above and below.
func (g *grid) Lines(s *screen) []string {
	lines := []string{""}
	for row, name := range g.rows {
		var b strings.Builder
		b.WriteString("       ")
		b.WriteString(name)
		b.WriteString("  ")
		for _, column := range g.cells {
			b.WriteByte(' ')
			b.WriteString(cell(s, column, row))
		}
		lines = append(lines, b.String())
	}
	return append(lines, "")
}

func cell(s *screen, column []int, row int) string {
	if column == nil {
		return s.paint(dim, "|")
	}
	if server := column[row]; server > 0 {
		return s.paint(serverStyles[server], strconv.Itoa(server))
	}
	return s.paint(serverStyles[0], "x")
}
