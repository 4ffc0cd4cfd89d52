package demo

import (
	"context"
	"sync"
	"time"
)

// load lets every client make requests one after the other, all clients at the same time, until Stop.
type load struct {
	// constant after startLoad
	clients []*client
	pause   time.Duration // of a client between two requests
	stop    chan struct{}
	news    chan struct{} // holds one token when requests may have ended since it was last taken
	wg      sync.WaitGroup
	gate    sync.RWMutex // a request holds it for reading: whoever holds it for writing stands between requests
	mu      sync.Mutex
	// guarded by mu
	whole            []tally // per client, since startLoad
	phase            []tally // per client, since the latest Between
	column           []tally // per client, since the latest Column or Between
	first            error   // of the first request that failed
	seen, seenFailed int     // requests that Fresh has counted
}

func startLoad(ctx context.Context, clients []*client, pause time.Duration) *load {
	l := &load{
		clients: clients, pause: pause, stop: make(chan struct{}), news: make(chan struct{}, 1),
		whole: make([]tally, len(clients)), phase: make([]tally, len(clients)), column: make([]tally, len(clients)),
	}
	for i := range clients {
		l.wg.Go(func() { l.ask(ctx, i) })
	}
	return l
}

// Stop lets the requests under way end, and returns then.
func (l *load) Stop() {
	close(l.stop)
	l.wg.Wait()
}

func (l *load) ask(ctx context.Context, i int) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		l.gate.RLock()
		server, err := l.clients[i].get(ctx)
		if ctx.Err() == nil { // a request that we broke off ourselves says nothing
			l.count(i, server, err)
		}
		l.gate.RUnlock()
		pause.Reset(l.pause)
	}
}

func (l *load) count(i, server int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole[i].add(server)
	l.phase[i].add(server)
	l.column[i].add(server)
	if err != nil && l.first == nil {
		l.first = err
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Between runs f while no request is under way, and begins a new phase.
func (l *load) Between(f func()) {
	l.gate.Lock()
	defer l.gate.Unlock()
	f()
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.phase)
	clear(l.column)
}

// Column waits until every client has ended a request since the latest Column or Between, and returns who answered each client last, 0 if any of its requests failed.
func (l *load) Column(ctx context.Context) ([]int, error) {
	for {
		if column := l.takeColumn(); column != nil {
			return column, nil
		}
		select {
		case <-l.news:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (l *load) takeColumn() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	column := make([]int, len(l.column))
	for i := range l.column {
		t := &l.column[i]
		if t.requests() == 0 {
			return nil
		}
		if t.failed() == 0 {
			column[i] = t.last
		}
	}
	clear(l.column)
	return column
}

// Tallies returns copies of the counts since the start and since the latest Between.
func (l *load) Tallies() (whole, phase []tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(whole, l.whole...), append(phase, l.phase...)
}

// Fresh returns how many requests have ended and failed since the latest Fresh, and the first failure of all.
func (l *load) Fresh() (requests, failed int, first error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	requests, failed = total(l.whole)
	requests, l.seen = requests-l.seen, requests
	failed, l.seenFailed = failed-l.seenFailed, failed
	return requests, failed, l.first
}
