package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// broadcaster tells all who watch the same sample. It samples only while somebody does.
type broadcaster struct {
	// constant after newBroadcaster
	sample func() []byte
	every  time.Duration
	most   int // viewers at once
	closed chan struct{}

	running sync.WaitGroup // the sampler

	mu sync.Mutex
	// guarded by mu
	viewers map[chan []byte]struct{}
	last    []byte // nil: the sampler does not run, or has yet to begin
	active  bool   // the sampler runs
	over    bool
}

func newBroadcaster(sample func() []byte, every time.Duration, most int) *broadcaster {
	return &broadcaster{sample: sample, every: every, most: most, closed: make(chan struct{}), viewers: map[chan []byte]struct{}{}}
}

// join returns where a new viewer is told from, nil if there are too many. A viewer that does not listen misses samples, and nobody waits for it.
func (b *broadcaster) join() chan []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over || len(b.viewers) >= b.most {
		return nil
	}
	to := make(chan []byte, 1)
	b.viewers[to] = struct{}{}
	if b.last != nil {
		to <- b.last
	}
	if !b.active {
		b.active = true
		b.running.Go(b.run)
	}
	return to
}

func (b *broadcaster) leave(from chan []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.viewers, from)
}

// watched is how many viewers there are.
func (b *broadcaster) watched() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.viewers)
}

// run samples until nobody watches.
func (b *broadcaster) run() {
	tick := time.NewTicker(b.every)
	defer tick.Stop()
	for b.tell(b.sample()) {
		select {
		case <-tick.C:
		case <-b.closed:
			return
		}
		if b.rest() {
			return
		}
	}
}

// tell gives a sample to all who have taken the one before. It is false once the broadcaster is closed.
func (b *broadcaster) tell(sample []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = sample
	for to := range b.viewers {
		select {
		case to <- sample:
		default:
		}
	}
	return !b.over
}

// rest ends the sampler if nobody watches.
func (b *broadcaster) rest() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.viewers) > 0 {
		return false
	}
	b.active, b.last = false, nil
	return true
}

// close ends the sampler and returns when it has ended. Nobody may join any more.
func (b *broadcaster) close() {
	b.mu.Lock()
	if !b.over {
		b.over = true
		close(b.closed)
	}
	b.mu.Unlock()
	b.running.Wait()
}

// sample is one event of the stream.
func (s *Window) sample() []byte {
	text, err := json.Marshal(s.figures())
	if err != nil { // plain data: it cannot be
		s.log.Error("write a sample", "error", err)
	}
	return fmt.Appendf(nil, "event: figures\ndata: %s\n\n", text)
}

// getEvents is the stream: a sample at once and then one a second.
func (s *Window) getEvents(w http.ResponseWriter, r *http.Request) {
	from := s.stream.join()
	if from == nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d are watching already", s.stream.most))
		return
	}
	defer s.stream.leave(from)
	out := http.NewResponseController(w)
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		select {
		case sample := <-from:
			if out.SetWriteDeadline(time.Now().Add(writeLimit)) != nil {
				return
			}
			if _, err := w.Write(sample); err != nil {
				return
			}
			if out.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
