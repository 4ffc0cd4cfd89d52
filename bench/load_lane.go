package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
)

// lane is one connection of the latency load. Asks are written when they are due; as many may be on their way as are due.
type lane struct {
	s       sock
	asks    asks
	due     []int64 // of the asks without an answer, the oldest first
	ask     []byte
	unsent  []byte // asks or a part of one that the socket did not take
	partial []byte // the beginning of an answer
	last    int64  // when the latest answer came, or the connection was opened; by clock
}

// dialLane opens a connection, waiting for it. Requests that are due must not wait for answers to earlier ones, as Nagle's algorithm would have it.
func dialLane(client int, to *inet4, a asks) (*lane, error) {
	from := toInet4(netip.AddrPortFrom(clientAddr(client), 0))
	s, err := dialSock(&from, to)
	if err != nil {
		return nil, err
	}
	err = syscall.SetsockoptInt(int(s), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if err == nil {
		err = syscall.SetNonblock(int(s), true)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return &lane{s: s, asks: a, ask: make([]byte, headerSize+a.shape.Up), last: clock()}, nil
}

// send sends the next ask, which is due at a certain time.
func (l *lane) send(due int64) error {
	l.due = append(l.due, due)
	l.asks.next().compose(l.ask)
	if len(l.unsent) > 0 {
		l.unsent = append(l.unsent, l.ask...)
		return nil
	}
	return l.write(l.ask)
}

// flush sends what the socket did not take before.
func (l *lane) flush() error {
	if len(l.unsent) == 0 {
		return nil
	}
	b := l.unsent
	l.unsent = nil
	return l.write(b)
}

// write sends b, and keeps what the socket does not take.
func (l *lane) write(b []byte) error {
	n, err := syscall.Write(int(l.s), b)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(l.s), b)
	}
	switch {
	case err == syscall.EAGAIN:
		n = 0
	case err != nil:
		return fmt.Errorf("write: %w", err)
	}
	if n < len(b) {
		l.unsent = append([]byte(nil), b[n:]...)
	}
	return nil
}

// receive reads what there is into in, and calls answered for each answer, with when its ask was due and the time.
func (l *lane) receive(in []byte, answered func(due, now int64)) error {
	for {
		n, err := l.s.Read(in)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err == io.EOF:
			return errors.New("connection ended between ask and answer")
		case err != nil:
			return err
		}
		now := clock()
		l.last = now
		b := in[:n]
		if len(l.partial) > 0 {
			l.partial = append(l.partial, b...)
			b = l.partial
		}
		size := headerSize + int(l.asks.shape.Down)
		for ; len(b) >= size; b = b[size:] {
			if len(l.due) == 0 {
				return errors.New("more bytes than the server sent")
			}
			if err := checkMessage(b[:size], l.asks.at(l.asks.tag+1-uint64(len(l.due)))); err != nil {
				return err
			}
			answered(l.due[0], now)
			l.due = l.due[1:]
		}
		l.partial = append([]byte(nil), b...)
		if n < len(in) {
			return nil
		}
	}
}
