package accesslog

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Log is an open log. All methods may be called from any goroutine, at any time, also after Close.
type Log struct {
	// constant after Open
	dest   string
	pause  time.Duration // least time between two reports
	report *slog.Logger
	lines  *ring
	some   chan struct{} // holds a token when a line came in while the writer was idle
	half   chan struct{} // and when half a ring of lines has come in
	lost   chan struct{} // and when lines were dropped
	swap   chan exchange
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed by the writer when it has written what was left
	over   chan struct{} // closed by the reporter after that

	// atomic: Line and the writer add
	dropped atomic.Uint64

	// atomic: the writer sets it when it goes to wait for a line, the first caller with one clears it
	idle atomic.Bool

	// atomic: Close sets it
	closed atomic.Bool

	// atomic: the writer stores, the reporter takes
	why atomic.Pointer[error]

	// guarded by mu
	mu   sync.Mutex
	sink sink // the writer alone writes to it and replaces it; Close sets its deadline
}

// Open opens a log. A dest with a colon and no leading slash is the host and port of a penlogd, which gets a UDP datagram a line; an IPv6 host stands in
// brackets or before the last colon. The words stderr and - are standard error, syslog and journald the local services; what a terminal would obey is '.' there. Any other dest is a file,
// created with mode 0644 and appended to; a named pipe needs a reader already.
// Dropped lines are reported to report, at most once in ten seconds. The caller owns the Log and closes it.
func Open(dest string, report *slog.Logger) (*Log, error) {
	s, err := openSink(dest)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dest, err)
	}
	lines := newRing(fileLines, maxRequest)
	if isNetwork(dest) {
		lines = newRing(collectorLines, maxDatagram)
	}
	return start(dest, s, lines, reportEvery, report), nil
}

// OpenEndings opens a log of endings, one line for each, in a format other than Pen's. For the rest it is like Open.
func OpenEndings(dest string, report *slog.Logger) (*Log, error) {
	s, err := openSink(dest)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dest, err)
	}
	return start(dest, s, newRing(fileLines, maxEnding), reportEvery, report), nil
}

// start takes ownership of s.
func start(dest string, s sink, lines *ring, pause time.Duration, report *slog.Logger) *Log {
	l := &Log{
		dest:   dest,
		pause:  pause,
		report: report,
		some:   make(chan struct{}, 1),
		half:   make(chan struct{}, 1),
		lost:   make(chan struct{}, 1),
		swap:   make(chan exchange),
		done:   make(chan struct{}),
		ended:  make(chan struct{}),
		over:   make(chan struct{}),
		lines:  lines,
		sink:   s,
	}
	go l.write(s)
	go l.complain()
	return l
}

// Line logs one read of a client's bytes at now (unix ns). It copies what it needs of data and keeps server, the server's address or path.
// It never blocks and never allocates. A line that finds the ring full is dropped and counted.
func (l *Log) Line(now int64, client netip.Addr, server string, data []byte) {
	if l.closed.Load() {
		l.drop(1)
		return
	}
	l.count(l.lines.put(now, client, server, data))
}

// count sees to it that a line that was put is written, or was lost.
func (l *Log) count(number uint64, ok bool) {
	switch {
	case !ok:
		l.drop(1)
	case l.idle.Load() && l.idle.CompareAndSwap(true, false):
		token(l.some)
	case number&(l.lines.mask>>1) == 0:
		token(l.half)
	}
}

// Dropped is how many lines were lost since Open: the ring was full, the sink refused them, or the Log was closed.
// A datagram that a collector's host refused is among them; one that was lost on the way cannot be.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Reopen opens the file by its name again, after it was renamed by whoever rotates logs, and connects to a local service anew; a collector is left alone, as Pen leaves it.
// Lines that came in before go to the old file, lines that come in after Reopen has returned go to the new one.
// After an error the old file stays in use. Reopen returns within about a second: should the sink take longer, the lines up to then still go to the old file.
func (l *Log) Reopen() error {
	if isNetwork(l.dest) {
		return nil
	}
	s, err := openSink(l.dest)
	if err != nil {
		return fmt.Errorf("reopen log %s: %w", l.dest, err)
	}
	x := exchange{to: s, done: make(chan struct{})}
	patience := time.NewTimer(reopenWait)
	defer patience.Stop()
	select {
	case l.swap <- x:
	case <-l.ended:
		return errors.Join(fmt.Errorf("reopen log %s: it is closed", l.dest), s.Close())
	case <-patience.C:
		return errors.Join(fmt.Errorf("reopen log %s: a write to the old file does not end; it stays in use", l.dest), s.Close())
	}
	select {
	case <-x.done:
	case <-patience.C:
	}
	return nil
}

// Close writes what is left and closes the sink. It returns within about two seconds whatever the sink does; the error says that lines may be lost.
// Lines that come in afterwards are dropped; one that comes in at the same moment may be lost uncounted. A second Close waits for the first.
func (l *Log) Close() error {
	if l.closed.CompareAndSwap(false, true) {
		l.mu.Lock()
		// A regular file takes no deadline, and needs none: a write to it ends, or hangs in the kernel beyond anyone's reach.
		l.sink.SetWriteDeadline(time.Now().Add(closeWait))
		l.mu.Unlock()
		close(l.done)
	}
	patience := time.NewTimer(2 * closeWait)
	defer patience.Stop()
	select {
	case <-l.over:
		return nil
	case <-patience.C:
		return fmt.Errorf("close log %s: the last write does not end", l.dest)
	}
}

func (l *Log) drop(n int) {
	l.dropped.Add(uint64(n))
	token(l.lost)
}

// token leaves a token in a channel that holds one. It never blocks.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
