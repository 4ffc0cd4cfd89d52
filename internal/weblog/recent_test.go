package weblog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// naive is what recent is to be: a list, searched from end to end.
type naive struct{ records []naiveRecord }

type naiveRecord struct {
	time           int64
	client         string
	server, wanted string
}

func (n *naive) add(time int64, client, server, request string) {
	n.records = append(n.records, naiveRecord{time, client, server, request[:min(len(request), requestLimit)]})
}

// fits says that a record is of a request: in the first reading as far as is compared, in the second one as far as pen's file has room.
func (rec *naiveRecord) fits(server, request string, whole bool) bool {
	if whole {
		return rec.server == server && rec.wanted == request[:min(len(request), requestLimit)]
	}
	return rec.server == server && len(rec.wanted) == fileLimit && strings.HasPrefix(request, rec.wanted)
}

// find goes through the records, newest first, and takes the first one that better does not want to replace by a later one.
func (n *naive) find(server, request string, better func(candidate, best naiveRecord) bool) (client string) {
	for _, whole := range []bool{true, false} {
		var best *naiveRecord
		for i := len(n.records) - 1; i >= 0; i-- {
			if rec := &n.records[i]; rec.fits(server, request, whole) && (best == nil || better(*rec, *best)) {
				best = rec
			}
		}
		if best != nil {
			return best.client
		}
	}
	return ""
}

func (n *naive) newest(server, request string) string {
	return n.find(server, request, func(candidate, best naiveRecord) bool { return false })
}

func (n *naive) nearest(server, request string, time int64) string {
	return n.find(server, request, func(candidate, best naiveRecord) bool {
		return distance(candidate.time, time) <= distance(best.time, time)
	})
}

// requests are some that begin alike, of lengths around the limits.
func requests() (list []string) {
	for _, n := range []int{5, 6, 50, fileLimit - 1, fileLimit, fileLimit + 1, 200, requestLimit - 1, requestLimit, requestLimit + 1, 1000} {
		request := "GET /" + strings.Repeat("x", n-5)
		list = append(list, request, request[:n-1]+"y")
	}
	return list
}

// Random operations, on times that are in order and on times that are not, find what a search from end to end finds.
func TestRecentIsASearchFromEndToEnd(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			wanted := requests()[:2+rng.IntN(20)]
			servers := []string{"10.0.0.1", "::1"}[:1+rng.IntN(2)]
			jumpBack, keep, pace := []int64{0, 0, 3}[rng.IntN(3)], 1+rng.IntN(600), rng.Int64N(3)
			r, n, now := newRecent(), &naive{}, int64(0)
			for i := range 1200 {
				server, request := servers[rng.IntN(len(servers))], wanted[rng.IntN(len(wanted))]
				if now += rng.Int64N(pace + 1); rng.IntN(3) > 0 {
					at, client := now-rng.Int64N(jumpBack+1), fmt.Sprint("c", i)
					r.use([]byte(server), []byte(request))
					r.add(at, []byte(client))
					n.add(at, client, server, request)
				}
				for r.count > keep {
					r.drop()
					n.records = n.records[1:]
				}
				if r.count != len(n.records) || r.count > 0 && r.oldest() != n.records[0].time {
					t.Fatalf("%d records, want %d", r.count, len(n.records))
				}
				if got, want := answer(r.match([]byte(server), []byte(request), r.find)).of(r), n.newest(server, request); got != want {
					t.Fatalf("step %d, newest %.20s: %q, want %q", i, request, got, want)
				}
				time := now - rng.Int64N(200) + 50
				nearest := func() (ref, bool) { return r.nearest(time) }
				if got, want := answer(r.match([]byte(server), []byte(request), nearest)).of(r), n.nearest(server, request, time); got != want {
					t.Fatalf("step %d, nearest to %d %.20s: %q, want %q", i, time, request, got, want)
				}
			}
		})
	}
}

// found is a ref that may be none.
type found struct {
	at ref
	ok bool
}

func answer(at ref, ok bool) found { return found{at, ok} }

func (f found) of(r *recent) string {
	if !f.ok {
		return ""
	}
	return string(r.client(f.at))
}

// Two keys with one hash may hide each other's records but are never mistaken for each other.
func TestOneHashForTwoKeys(t *testing.T) {
	r := newRecent()
	r.use([]byte("s"), []byte("GET /a"))
	hash := r.hash
	r.add(1, []byte("a"))
	r.use([]byte("s"), []byte("GET /b"))
	r.hash = hash
	if _, ok := r.find(); ok {
		t.Error("GET /b is found where there is only GET /a")
	}
	r.add(5, []byte("b"))
	if at, ok := r.nearest(1); ok {
		t.Errorf("the nearest of GET /b is %s's", r.client(at))
	}
	if at, ok := r.nearest(5); !ok || string(r.client(at)) != "b" {
		t.Errorf("GET /b: %v, %v", at, ok)
	}
}

// The longest chain there can be, of a request that all make, is searched in a number of steps that grows with the logarithm of its length, also when it has been moving on for long.
func TestALongChainIsSearchedInFewSteps(t *testing.T) {
	const held, steps = 50_000, 100
	r := newRecent()
	r.use([]byte("s"), []byte("GET /"))
	for i := range int64(6 * held) {
		r.add(i, []byte("c"))
		if r.count > held {
			r.drop()
		}
		if i%997 != 0 || i < held {
			continue
		}
		newest, _ := r.find()
		hops := 0
		for at := newest; at != r.head; hops++ {
			rec, _ := r.at(at)
			if at = rec.older; rec.jump >= r.head {
				at = rec.jump
			}
		}
		if hops > steps {
			t.Fatalf("%d hops from the newest to the oldest of %d", hops, r.count)
		}
	}
}

// What is dropped is given back: the memory depends on what is held and not on what has gone through.
func TestRecentUsesItsPagesAgain(t *testing.T) {
	r := newRecent()
	client := bytes.Repeat([]byte("c"), nameLimit)
	seen := map[*page]bool{}
	for i := range 20_000 {
		r.use([]byte("s"), fmt.Appendf(nil, "GET /%d", i))
		r.add(int64(i), client)
		if r.count > 1000 {
			r.drop()
		}
		seen[r.pages[len(r.pages)-1]] = true
	}
	if limit := 1000*(nameLimit+20)/(pageSize-nameLimit-20) + 2; len(seen) > limit || len(r.newest) != 1000 {
		t.Errorf("%d pages, want at most %d; %d keys, want 1000", len(seen), limit, len(r.newest))
	}
	for r.count > 0 {
		r.drop()
	}
	if len(r.pages) != 0 || len(r.newest) != 0 {
		t.Errorf("empty, it has %d pages and %d keys", len(r.pages), len(r.newest))
	}
}
