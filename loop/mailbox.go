package loop

import (
	"sync"
	"sync/atomic"

	"pen/internal/account"
)

// mailbox is how other goroutines speak to a loop: they leave functions, the loop runs them between batches of events.
type mailbox struct {
	// atomic: set by senders, cleared by the loop
	full atomic.Bool

	mu sync.Mutex
	// guarded by mu
	mail []func(*Loop)
}

func (m *mailbox) take() []func(*Loop) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full.Store(false)
	mail := m.mail
	m.mail = nil
	return mail
}

// post leaves a function for the loop to run soon. Safe from any goroutine until the loop's group has been waited for.
func (l *Loop) post(do func(*Loop)) {
	l.mailbox.mu.Lock()
	l.mailbox.mail = append(l.mailbox.mail, do)
	l.mailbox.full.Store(true)
	l.mailbox.mu.Unlock()
	l.poll.wake()
}

// drain takes the connections already waiting, stops listening, and lets the loop end with its last connection.
func (l *Loop) drain() {
	if l.state != running {
		return
	}
	l.emptyBacklog()
	l.hangUp()
	l.state = draining
	for c := range l.connections() {
		switch {
		case c.idler:
			l.close(c, account.Drained)
		case c.state == tarpitted: // not worth waiting for
			l.close(c, c.cause)
		}
	}
}

// emptyBacklog accepts what is waiting, no more than can have been waiting. It would be lost with the listener, so there is no pace to keep.
func (l *Loop) emptyBacklog() {
	if !l.listener.muted {
		l.take(l.cfg.Backlog+1, nil)
	}
}

// stop closes everything at once and ends the loop.
func (l *Loop) stop() {
	l.hangUp()
	l.state = stopped
	for _, e := range l.ends.all() {
		l.close(e.conn, account.Drained)
	}
}

// tellAll reports the bytes of every running connection.
func (l *Loop) tellAll() {
	for _, e := range l.ends.all() {
		l.tell(e.conn)
	}
}
