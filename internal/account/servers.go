package account

import (
	"sync/atomic"
	"time"
)

// server is the part of a loop's ledger that is about one server: half a kilobyte, from the first connection on that the loop has for it.
type server struct {
	// atomic: written by the loop only, read by anyone
	ended     [nCauses]atomic.Uint64
	connects  times
	firstByte times

	_ [64]byte // keeps what the allocator puts behind it, perhaps another loop's, off these cache lines
}

// servers finds the part about a server by its number. Only the loop adds to it; anyone may read meanwhile. The zero value is ready.
type servers struct {
	list atomic.Pointer[[]atomic.Pointer[server]] // replaced by a longer copy when it is full
}

// of returns the part about a server, made if there is none. For the loop only.
func (s *servers) of(number uint32) *server {
	if list := s.list.Load(); list != nil && int(number) < len(*list) {
		if v := (*list)[number].Load(); v != nil {
			return v
		}
	}
	return s.add(number)
}

func (s *servers) add(number uint32) *server {
	list := s.list.Load()
	if list == nil || int(number) >= len(*list) {
		longer := make([]atomic.Pointer[server], max(8, 2*int(number)))
		if list != nil {
			for i := range *list {
				longer[i].Store((*list)[i].Load())
			}
		}
		list = &longer
		s.list.Store(list)
	}
	v := new(server)
	(*list)[number].Store(v)
	return v
}

// Connected counts a connect to a server that succeeded, and how long it took. For the loop only, and so are the next two. Servers have small numbers, each its own for the life of the process; 0 is none.
func (l *Loop) Connected(server uint32, took time.Duration) { l.servers.of(server).connects.add(took) }

// Heard counts a connection's first byte from its server, and how long after the connect it came.
func (l *Loop) Heard(server uint32, after time.Duration) { l.servers.of(server).firstByte.add(after) }

// Ended counts a connection out, for the server that it was given or tried last.
func (l *Loop) Ended(why Cause, server uint32) {
	n := &l.servers.of(server).ended[why]
	n.Store(n.Load() + 1)
	l.live.Store(l.live.Load() - 1)
}

// ServerTotals is what the ledgers of all loops say about one server.
type ServerTotals struct {
	Ended     [nCauses]uint64
	Connects  Times // from the choice of the server to the connection standing
	FirstByte Times // from there to the server's first byte having been given to the client
}

// Reading is what all ledgers say. Each figure is true, together they are of slightly different moments; Totals is exactly the sum of Loops, and its endings are that of Servers.
type Reading struct {
	Totals  Totals
	Loops   []Totals       // in the order of the ledgers
	Servers []ServerTotals // by number: the first is about connections that had none
}

// Read reads ledgers.
func Read(loops []*Loop) (r Reading) {
	r.Loops = make([]Totals, len(loops))
	r.Servers = make([]ServerTotals, 1)
	for i, l := range loops {
		t := &r.Loops[i]
		t.Live, t.Queued = l.live.Load(), l.queued.Load()
		for i := range l.counts {
			t.Counts[i] = l.counts[i].Load()
		}
		list := l.servers.list.Load()
		if list == nil {
			r.Totals.include(t)
			continue
		}
		for number := range *list {
			v := (*list)[number].Load()
			if v == nil {
				continue
			}
			for number >= len(r.Servers) {
				r.Servers = append(r.Servers, ServerTotals{})
			}
			r.Servers[number].include(v, t)
		}
		r.Totals.include(t)
	}
	return r
}

// include adds what one loop says about the server, its endings to the loop's totals as well, so that one reading makes both.
func (s *ServerTotals) include(v *server, loop *Totals) {
	for i := range v.ended {
		n := v.ended[i].Load()
		s.Ended[i] += n
		loop.Ended[i] += n
	}
	s.Connects.include(&v.connects)
	s.FirstByte.include(&v.firstByte)
}
