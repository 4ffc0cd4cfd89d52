package affinity

import (
	"container/list"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// model is the table as one would write it without caring for speed: a map and a list, newest first.
type model struct {
	capacity  int
	ttl       int64 // seconds
	order     *list.List
	at        map[Key]*list.Element // of *Entry
	evictions uint64
}

func newModel(capacity int, ttl time.Duration) *model {
	return &model{capacity: capacity, ttl: int64(ttl / time.Second), order: list.New(), at: map[Key]*list.Element{}}
}

func (m *model) old(e *Entry, now int64) bool {
	return m.ttl > 0 && now/second-e.LastSeen/second > m.ttl
}

func (m *model) get(k Key) *Entry {
	if el, ok := m.at[k]; ok {
		return el.Value.(*Entry)
	}
	return nil
}

func (m *model) live(k Key, now int64) *Entry {
	if e := m.get(k); e != nil && !m.old(e, now) {
		return e
	}
	return nil
}

func (m *model) forget(k Key) bool {
	el, ok := m.at[k]
	if ok {
		m.order.Remove(el)
		delete(m.at, k)
	}
	return ok
}

func (m *model) visit(k Key, now int64) uint32 {
	e := m.live(k, now)
	if e == nil {
		e = &Entry{Key: k}
	}
	m.forget(k)
	e.Connects++
	e.LastSeen = now / second * second
	m.at[k] = m.order.PushFront(e)
	if m.order.Len() > m.capacity {
		last := m.order.Back().Value.(*Entry)
		if !m.old(last, now) {
			m.evictions++
		}
		m.forget(last.Key)
	}
	return e.Home
}

func (m *model) claim(k Key, now int64, server uint32) uint32 {
	e := m.live(k, now)
	if e == nil {
		return server
	}
	if e.Home == 0 {
		e.Home = server
	}
	return e.Home
}

func (m *model) move(k Key, from, to uint32) bool {
	e := m.get(k)
	if e == nil || e.Home != from {
		return false
	}
	e.Home = to
	return true
}

func (m *model) count(k Key, up, down uint64) {
	if e := m.get(k); e != nil {
		e.Up += up
		e.Down += down
	}
}

func (m *model) expire(now int64, budget int) (removed int) {
	for removed < budget && m.order.Len() > 0 && m.old(m.order.Back().Value.(*Entry), now) {
		m.forget(m.order.Back().Value.(*Entry).Key)
		removed++
	}
	return removed
}

// step is one operation, decoded from three numbers so that a fuzzer can write it. After it the clock may have moved on, never back.
type step struct{ op, who, arg byte }

// run does the same step to both and says where they differ.
func (st step) run(table *Table, m *model, now *int64) error {
	k := client(int(st.who) | int(st.op&0xf0)<<4)
	arg := uint32(st.arg)
	var got, want any
	switch st.op % 16 {
	case 0, 1, 2, 3, 4, 5:
		got, want = table.Visit(k, *now), m.visit(k, *now)
	case 6, 7:
		got, want = table.Claim(k, *now, arg), m.claim(k, *now, arg)
	case 8:
		got, want = table.Move(k, arg%3, arg%5), m.move(k, arg%3, arg%5)
	case 9:
		table.Count(k, uint64(arg), uint64(arg)<<8)
		m.count(k, uint64(arg), uint64(arg)<<8)
	case 10, 11:
		e, ok := table.Peek(k, *now)
		got, want = e, Entry{}
		if w := m.live(k, *now); w != nil {
			want = *w
		}
		if ok != (want != Entry{}) {
			return fmt.Errorf("Peek of %v says %t", k.Addr(), ok)
		}
	case 12:
		got, want = table.Forget(k), m.forget(k)
	case 13:
		got, want = table.Expire(*now, int(arg%8)), m.expire(*now, int(arg%8))
	case 14:
		*now += int64(arg) * second / 64
	case 15:
		m.ttl = int64(arg % 16)
		table.SetTTL(time.Duration(m.ttl) * time.Second)
	}
	if got != want {
		return fmt.Errorf("%v gives %v, want %v", k.Addr(), got, want)
	}
	if table.Len() != m.order.Len() || table.Evictions() != m.evictions {
		return fmt.Errorf("%d clients, %d evictions; want %d, %d", table.Len(), table.Evictions(), m.order.Len(), m.evictions)
	}
	return nil
}

// sameContent compares all entries, and the table with itself.
func sameContent(table *Table, m *model) error {
	seen := 0
	for e := range table.Each {
		seen++
		if w := m.get(e.Key); w == nil || e != *w {
			return fmt.Errorf("entry %+v, want %+v", e, w)
		}
	}
	if seen != m.order.Len() {
		return fmt.Errorf("Each yields %d entries, want %d", seen, m.order.Len())
	}
	return verify(table)
}

// tight is one stripe with as few slots as an exact table can do with: long probes, and gaps that close around the end.
func tight(slots int) layout { return layout{stripes: 1, share: slots + 2} }

// shapes are tables of all sorts, none with stripes that could fill up. In the first eight no choice of clients can fill one; the rest rely on chance.
func shapes() []struct {
	slots int
	layout
} {
	return []struct {
		slots int
		layout
	}{
		{1, layoutFor(1)}, {1, tight(1)}, {2, layoutFor(2)}, {2, tight(2)}, {63, layoutFor(63)}, {63, tight(63)},
		{64, layout{stripes: 64, share: 70}}, {63, layout{stripes: 4, share: 80}},
		{255, layoutFor(255)}, {256, layoutFor(256)}, {257, tight(257)}, {1000, layoutFor(1000)}, {3000, layoutFor(3000)},
	}
}

func TestRandomStepsAgainstModel(t *testing.T) {
	const seed = 20260801
	for _, sh := range shapes() {
		t.Run(fmt.Sprintf("%d/%dx%d", sh.slots, sh.stripes, sh.share), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(sh.slots)))
			const ttl = 9 * time.Second
			table, m, now := heapTable(sh.slots, ttl, sh.layout), newModel(sh.slots, ttl), start
			clients := min(4096, sh.slots*5/4+3)
			rounds := max(4000, 10*clients)
			for n := range rounds {
				who := rng.IntN(clients)
				st := step{op: byte(who>>8)<<4 | byte(rng.IntN(16)), who: byte(who), arg: byte(rng.Uint32())}
				if st.op%16 >= 14 && rng.IntN(sh.slots/4+1) > 0 {
					continue // large tables need more visits between two moves of the clock or the ttl to fill up
				}
				if err := st.run(table, m, &now); err != nil {
					t.Fatalf("seed %d, step %d %+v: %v", seed, n, st, err)
				}
				if n%(rounds/20) == 0 {
					if err := sameContent(table, m); err != nil {
						t.Fatalf("seed %d, after step %d: %v", seed, n, err)
					}
				}
			}
			if err := sameContent(table, m); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if m.evictions == 0 {
				t.Error("no client was ever evicted: the steps test too little")
			}
		})
	}
}

func FuzzStepsAgainstModel(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 2, 0, 0, 1, 0})
	f.Add([]byte{7, 0, 1, 0, 6, 1, 9, 0, 2, 0, 0, 3, 0, 14, 0, 255, 13, 0, 7, 10, 1, 0, 12, 2, 0})
	f.Add([]byte{9, 15, 0, 1, 0, 1, 0, 6, 1, 4, 14, 0, 200, 0, 1, 0, 8, 1, 4, 11, 1, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 {
			return
		}
		all := shapes()[:8]
		sh := all[int(program[0])%len(all)]
		table, m, now := heapTable(sh.slots, 0, sh.layout), newModel(sh.slots, 0), start
		for p := program[1:]; len(p) >= 3; p = p[3:] {
			st := step{p[0], p[1], p[2]}
			if err := st.run(table, m, &now); err != nil {
				t.Fatalf("%+v: %v", st, err)
			}
		}
		if err := sameContent(table, m); err != nil {
			t.Fatal(err)
		}
	})
}
