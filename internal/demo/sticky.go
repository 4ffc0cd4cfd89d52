package demo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// stickyColumns is how many requests each client makes in the first step.
const stickyColumns = 10

// sticky is the first step: every client keeps the server that answered it first. It settles where each client is at home, which the next steps build on.
func (t *tour) sticky(ctx context.Context) error {
	err := t.announce(ctx, "1  A client keeps its server", fmt.Sprintf(
		"Twelve clients make %d requests each, every request on a new connection. A row is a client, a cell the server that answered.", stickyColumns))
	if err != nil {
		return err
	}
	tallies, first, err := t.askInTurn(ctx)
	if err != nil {
		return err
	}
	requests, failed := total(tallies)
	t.judgeRequests(requests, failed, first)
	strays := straying(t.clients, tallies, 1, 2, 3)
	t.judge(len(strays) == 0, "every client met one server only", "clients met several servers: "+list(strays))
	at := atHome(t.clients)
	spread := fmt.Sprintf("web1 has %d clients, web2 %d, web3 %d", at[1], at[2], at[3])
	t.judge(at[1] > 0 && at[2] > 0 && at[3] > 0, "all three servers are used: "+spread, "not all three servers are used: "+spread)
	t.quoteLog()
	return rest(ctx, t.pace.read)
}

// askInTurn lets the clients make their requests one by one, column by column, and returns a tally for each and the first failure.
// Each column begins with another client: in the same order every time, twelve clients would look faithful to three servers even if the servers merely took turns.
func (t *tour) askInTurn(ctx context.Context) (tallies []tally, first error, err error) {
	tallies = make([]tally, len(t.clients))
	g := newGrid(t.clients)
	pic := t.screen.picture()
	defer pic.End()
	for k := range stickyColumns {
		column := make([]int, len(t.clients))
		for j := range t.clients {
			i := (k + j) % len(t.clients)
			c := t.clients[i]
			server, err := c.get(ctx)
			if ctx.Err() != nil {
				return tallies, first, context.Cause(ctx)
			}
			if err != nil && first == nil {
				first = err
			}
			if c.home == 0 {
				c.home = server
			}
			tallies[i].add(server)
			column[i] = server
		}
		g.Add(column)
		pic.Draw(g.Lines(t.screen))
		if err := rest(ctx, t.pace.beat); err != nil {
			return tallies, first, err
		}
	}
	return tallies, first, nil
}

// straying describes those clients at home at one of homes that were answered by another server: "127.0.0.12 (1 2)".
func straying(clients []*client, tallies []tally, homes ...int) []string {
	var strays []string
	for i, c := range clients {
		if !slices.Contains(homes, c.home) || tallies[i].elsewhere(c.home) == 0 {
			continue
		}
		var met []string
		for server, n := range tallies[i].answers {
			if server > 0 && n > 0 {
				met = append(met, strconv.Itoa(server))
			}
		}
		strays = append(strays, fmt.Sprintf("%s (%s)", c.name, strings.Join(met, " ")))
	}
	return strays
}

// atHome counts the clients by the server they are at home at; the zero server counts those that have none.
func atHome(clients []*client) (at [serverCount + 1]int) {
	for _, c := range clients {
		at[c.home]++
	}
	return at
}

// list joins a few and counts the rest.
func list(items []string) string {
	const few = 4
	if len(items) > few {
		return strings.Join(items[:few], ", ") + fmt.Sprintf(" and %d more", len(items)-few)
	}
	return strings.Join(items, ", ")
}
