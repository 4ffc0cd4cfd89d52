package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// driveConns opens connections one after another on each of Conns threads, with one ask and its answer on each. A connection counts once the end of its stream was as announced:
// the client has seen the server's FIN, or, when it closes first, has every byte.
//
// Blocking sockets in plain threads do that with six system calls and no epoll: against gnet's client, which dials with package net and then duplicates and registers the
// descriptor, that is two thirds of the CPU time per connection.
func driveConns(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	return runThreads(j.Shape.Conns, func(i int, th *thread) {
		c := &caller{asks: newAsks(j.Shape, i), out: make([]byte, headerSize+j.Shape.Up), in: make([]byte, headerSize+j.Shape.Down)}
		for n := i; !t.stopping.Load(); n += j.Shape.Conns {
			client := n * stride % j.Shape.Clients
			c.from = toInet4(netip.AddrPortFrom(clientAddr(client), 0))
			if err := c.call(&to[client%len(to)], th); err == nil {
				t.units.Add(1)
			} else if !t.Fail(err) {
				return
			}
		}
	}), nil
}

// stride is how far apart clients are that come one after another, as the fill takes them in order: no memory of them then meets them in the order in which it was filled. It has no
// divisor in common with the numbers of clients there are, powers of 2 times powers of 10, so that each has its turn.
const stride = 6_180_339

// caller makes connections with one ask each. Owned by its thread.
type caller struct {
	from inet4 // where the next connection comes from
	asks asks
	out  []byte
	in   []byte
}

// call makes one connection. It allocates nothing unless it fails, since no one collects (see runThreads).
func (c *caller) call(to *inet4, th *thread) error {
	s, err := dialSock(&c.from, to)
	if err != nil {
		return err
	}
	defer s.Close()
	th.use(s)
	if err := c.talk(s, c.asks.next()); err != nil {
		return err
	}
	if !c.asks.shape.HangUp {
		return nil
	}
	return s.readEnd(c.in)
}

// talk sends one ask and checks its answer.
func (c *caller) talk(s sock, ask header) error {
	ask.compose(c.out)
	if err := s.Write(c.out, nil); err != nil {
		return err
	}
	if err := s.ReadFull(c.in); err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	return checkMessage(c.in, ask)
}

// readEnd reads the end of the stream, which is due.
func (s sock) readEnd(b []byte) error {
	switch _, err := s.Read(b); {
	case err == nil:
		return errors.New("more bytes than the server sent")
	case err != io.EOF:
		return err
	}
	return nil
}

// checkMessage checks a whole answer.
func checkMessage(b []byte, ask header) error {
	if err := checkAnswer(b, ask); err != nil {
		return err
	}
	return checkBody(ask.Tag, downBody, 0, b[headerSize:])
}
