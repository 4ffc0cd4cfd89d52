package demo

import (
	"context"
	"fmt"
	"time"
)

const (
	victim        = 2 // the number of the server that dies
	beforeColumns = 6
	afterColumns  = 14
	homeColumns   = 6 // that the clients must stay at home after their return
)

// failure is the second and the third step, under one load: a server dies, and it returns.
func (t *tour) failure(ctx context.Context) error {
	l := startLoad(ctx, t.clients, t.pace.pause)
	err := t.death(ctx, l)
	if err == nil {
		err = t.homecoming(ctx, l)
	}
	l.Stop()
	if err != nil {
		return err
	}
	return rest(ctx, t.pace.read)
}

func (t *tour) death(ctx context.Context, l *load) error {
	err := t.announce(ctx, "2  A server dies under load", `All clients ask all the time now. At the bar web2 is killed: its listener and its connections are gone at once.
		It happens between two requests, for what a server has in hand dies with it, whoever stands in front.`)
	if err != nil {
		return err
	}
	g := newGrid(t.clients)
	pic := t.screen.picture()
	defer pic.End()
	if err := t.watch(ctx, l, g, pic, beforeColumns); err != nil {
		return err
	}
	l.Between(t.servers[victim-1].Kill)
	g.Bar()
	if err := t.watch(ctx, l, g, pic, afterColumns); err != nil {
		return err
	}
	pic.End()

	whole, phase := l.Tallies()
	t.judgeRequests(l.Fresh())
	moved, stranded := 0, []string(nil)
	for i, c := range t.clients {
		switch {
		case c.home != victim:
		case phase[i].answers[victim] == 0 && phase[i].elsewhere(victim) > 0:
			moved++
		default:
			stranded = append(stranded, c.name)
		}
	}
	t.judge(moved > 0 && len(stranded) == 0, fmt.Sprintf("the %d clients of web2 are served by others", moved),
		fmt.Sprintf("of web2's clients %d are served by others; not these: %s", moved, list(stranded)))
	t.judgeOthers(whole)
	t.quoteLog()
	return rest(ctx, t.pace.read)
}

func (t *tour) homecoming(ctx context.Context, l *load) error {
	err := t.announce(ctx, "3  It returns, and its clients go home", "The clients still ask. At the first bar web2 listens on its port again, at the second all its clients are back.")
	if err != nil {
		return err
	}
	g := newGrid(t.clients)
	pic := t.screen.picture()
	defer pic.End()
	if err := t.watch(ctx, l, g, pic, beforeColumns); err != nil {
		return err
	}
	if err := t.servers[victim-1].Start(); err != nil {
		return err
	}
	g.Bar()
	took, home, err := t.awaitHome(ctx, l, g, pic)
	if err != nil {
		return err
	}
	l.Between(func() {})
	g.Bar()
	if err := t.watch(ctx, l, g, pic, homeColumns); err != nil {
		return err
	}
	pic.End()

	whole, phase := l.Tallies()
	t.judgeRequests(l.Fresh())
	t.judge(home, fmt.Sprintf("its clients were home %.1f s after it listened again", took.Seconds()),
		fmt.Sprintf("its clients were not home after %.1f s", took.Seconds()))
	strays := straying(t.clients, phase, victim)
	t.judge(len(strays) == 0, "and they stay there", "web2's clients still met other servers: "+list(strays))
	t.judgeOthers(whole)
	t.quoteLog()
	return nil
}

// watch draws n columns of the load.
func (t *tour) watch(ctx context.Context, l *load, g *grid, pic *picture, n int) error {
	for range n {
		if err := rest(ctx, t.pace.beat); err != nil {
			return err
		}
		column, err := l.Column(ctx)
		if err != nil {
			return err
		}
		g.Add(column)
		pic.Draw(g.Lines(t.screen))
	}
	return nil
}

// awaitHome draws columns until one shows all of the victim's clients at home, or until the bound.
func (t *tour) awaitHome(ctx context.Context, l *load, g *grid, pic *picture) (took time.Duration, home bool, err error) {
	begun := time.Now()
	for {
		column, err := l.Column(ctx)
		if err != nil {
			return 0, false, err
		}
		g.Add(column)
		pic.Draw(g.Lines(t.screen))
		took = time.Since(begun)
		if t.allHome(column) {
			return took, true, nil
		}
		if took > t.pace.home {
			return took, false, nil
		}
		if err := rest(ctx, t.pace.beat); err != nil {
			return 0, false, err
		}
	}
}

// allHome tells whether a column shows all of the victim's clients at home.
func (t *tour) allHome(column []int) bool {
	for i, c := range t.clients {
		if c.home == victim && column[i] != victim {
			return false
		}
	}
	return true
}

// judgeOthers judges that the clients of the other servers have noticed nothing since the load began.
func (t *tour) judgeOthers(whole []tally) {
	strays := straying(t.clients, whole, 1, 3)
	t.judge(len(strays) == 0, "no client of web1 or web3 has moved", "clients of web1 or web3 moved: "+list(strays))
}
