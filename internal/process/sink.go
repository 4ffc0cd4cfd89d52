package process

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// queueLines is how many lines may wait to be written: enough for a burst of one line for each of many connections, at most a few hundred KiB.
	queueLines = 1024
	// flushWait is how long Close waits for them. A stderr that nobody reads must not keep the process from ending.
	flushWait = time.Second
)

// entry is one line of the log.
type entry struct {
	when  time.Time // zero = not known
	level slog.Level
	text  string // one line, without its end
}

// sink takes lines from the loops and writes them elsewhere. An event loop may not wait for syslogd or for a pipe that nobody reads:
// lines go through a bounded queue to one goroutine, which alone may block; those that find the queue full or cannot be written are dropped and counted,
// and the count is logged when there is room again.
type sink struct {
	// constant after newSink
	write func(entry) error // called by the writer only
	close func() error      // called by the writer at its end
	queue chan entry
	stop  chan struct{} // closed by the first Close
	done  chan struct{} // closed by the writer at its end
	once  sync.Once

	// atomic: put adds, the writer adds and takes
	lost atomic.Uint64
}

// newSink starts the writer. Close ends it.
func newSink(write func(entry) error, closeOutput func() error) *sink {
	s := &sink{
		write: write, close: closeOutput,
		queue: make(chan entry, queueLines), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go s.routineWrite()
	return s
}

// put hands over a line. It never blocks; safe from any goroutine, and without effect once Close has been called.
func (s *sink) put(e entry) {
	select {
	case s.queue <- e:
	default:
		s.lost.Add(1)
	}
}

func (s *sink) routineWrite() {
	defer close(s.done)
	defer s.close()
	for {
		select {
		case e := <-s.queue:
			s.writeOne(e)
		case <-s.stop:
			for {
				select {
				case e := <-s.queue:
					s.writeOne(e)
				default:
					return
				}
			}
		}
	}
}

// writeOne writes a line, and behind the last one waiting how many were lost.
func (s *sink) writeOne(e entry) {
	if s.write(e) != nil {
		s.lost.Add(1)
		return
	}
	if len(s.queue) > 0 {
		return
	}
	if lost := s.lost.Swap(0); lost > 0 {
		if s.write(entry{time.Now(), slog.LevelWarn, fmt.Sprintf("log lines lost count=%d", lost)}) != nil {
			s.lost.Add(lost)
		}
	}
}

// Close writes the lines that wait and ends the writer. If they cannot be written within a second it leaves them, and says so.
func (s *sink) Close() error {
	s.once.Do(func() { close(s.stop) })
	timeout := time.NewTimer(flushWait)
	defer timeout.Stop()
	select {
	case <-s.done:
		return nil
	case <-timeout.C:
		return fmt.Errorf("write the log: %d lines still waiting after %v", len(s.queue), flushWait)
	}
}
