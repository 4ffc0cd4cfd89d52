package e2e

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is many clients that fetch pages through pen, some at a time, each by turns, and remember which server answered.
type crowd struct {
	address string
	at      int // connections at a time

	turns atomic.Int64

	mu      sync.Mutex
	clients []visitor // guarded by mu
	errs    []failure // guarded by mu
}

// visitor is one client address.
type visitor struct {
	addr  netip.Addr
	home  string // the server of its first visit
	last  string // the server of its latest visit
	moved int    // visits that were not at home
}

// failure is a connection that brought no proper answer.
type failure struct {
	client int
	began  time.Time
	err    error
}

func newCrowd(address string, clients, at int) *crowd {
	c := &crowd{address: address, at: at, clients: make([]visitor, clients)}
	for i := range c.clients {
		c.clients[i].addr = loopback(i)
	}
	return c
}

// visit makes n connections and returns when all are done.
func (c *crowd) visit(n int) {
	var left atomic.Int64
	left.Store(int64(n))
	c.work(func() bool { return left.Add(-1) >= 0 }).Wait()
}

// work makes connections while more says so.
func (c *crowd) work(more func() bool) *sync.WaitGroup {
	var workers sync.WaitGroup
	for range c.at {
		workers.Go(func() {
			for more() {
				c.one(int(c.turns.Add(1)-1) % len(c.clients))
			}
		})
	}
	return &workers
}

func (c *crowd) one(i int) {
	began := time.Now()
	server, err := get(c.clients[i].addr, c.address, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	v := &c.clients[i]
	switch {
	case err != nil:
		c.errs = append(c.errs, failure{i, began, err})
		return
	case v.home == "":
		v.home = server
	case v.home != server:
		v.moved++
	}
	v.last = server
}

// away counts the clients of a home ("": of any) whose latest visit was elsewhere, and home those with that home.
func (c *crowd) away(of string) (away, home int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.clients {
		if of == "" || v.home == of {
			home++
			if v.last != v.home {
				away++
			}
		}
	}
	return away, home
}

// strays lists visits that clients whose home is not the one given made elsewhere than at home.
func (c *crowd) strays(but string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.clients {
		if v.home != but {
			n += v.moved
		}
	}
	return n
}

// failures returns the connections that failed and began after the moment.
func (c *crowd) failures(after time.Time) (late []failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.errs {
		if f.began.After(after) {
			late = append(late, f)
		}
	}
	return late
}

// mustBeEven fails the test if a server was left out: round robin gives each of them its share of new clients.
func (c *crowd) mustBeEven(t *testing.T, servers int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	homes := map[string]int{}
	for _, v := range c.clients {
		homes[v.home]++
	}
	for name, n := range homes {
		if share := len(c.clients) / servers; n < share*9/10 || n > share*11/10+1 {
			t.Errorf("server %q is home to %d of %d clients, want about %d", name, n, len(c.clients), share)
		}
	}
	if len(homes) != servers {
		t.Errorf("clients are at home on %d servers, want %d", len(homes), servers)
	}
}

func (f failure) String() string { return fmt.Sprintf("client %v: %v", loopback(f.client), f.err) }
