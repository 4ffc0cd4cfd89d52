package main

import (
	"fmt"
	"net/netip"
)

// chunkRead is how many bytes a bulk reader asks the kernel for at once.
const chunkRead = 128 << 10

// driveBulk keeps Window asks on their way on each connection, all bodies of them large in at least one direction, and counts the bytes of each when its answer has come and was
// right: what went up is then known to have arrived. One blocking thread serves a connection; no connection has more under way than the sockets on the path hold, so that the thread
// may write without reading at the same time.
func driveBulk(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	return runThreads(j.Shape.Conns, func(i int, th *thread) {
		client := i % j.Shape.Clients
		from := toInet4(netip.AddrPortFrom(clientAddr(client), 0))
		s, err := dialSock(&from, &to[client%len(to)])
		if err != nil {
			t.Fail(err)
			return
		}
		defer s.Close()
		th.use(s)
		b := &bulkStream{sock: s, asks: newAsks(j.Shape, i), head: make([]byte, headerSize), buf: make([]byte, chunkRead)}
		if err := b.run(t); err != nil {
			t.Fail(err)
		}
	}), nil
}

// bulkStream is one bulk connection. Owned by its thread.
type bulkStream struct {
	sock sock
	asks asks
	head []byte
	buf  []byte
}

// run goes on until the load stops, then takes the answers that are still due.
func (b *bulkStream) run(t *tally) error {
	due := b.asks.tag + 1 // tag of the next answer
	for {
		for b.asks.tag+1-due < uint64(b.asks.shape.Window) && !t.stopping.Load() {
			ask := b.asks.next()
			ask.put(b.head)
			if err := b.sock.Write(b.head, body(ask.Tag, upBody, ask.Up)); err != nil {
				return err
			}
		}
		if b.asks.tag+1 == due {
			return nil
		}
		ask := b.asks.at(due)
		if err := b.receive(ask); err != nil {
			return err
		}
		t.units.Add(int64(ask.Up) + int64(ask.Down))
		due++
	}
}

// receive reads and checks one answer.
func (b *bulkStream) receive(ask header) error {
	if err := b.sock.ReadFull(b.head); err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	if err := checkAnswer(b.head, ask); err != nil {
		return err
	}
	for off := uint32(0); off < ask.Down; {
		n, err := b.sock.Read(b.buf[:min(int(ask.Down-off), len(b.buf))])
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		if err := checkBody(ask.Tag, downBody, off, b.buf[:n]); err != nil {
			return err
		}
		off += uint32(n)
	}
	return nil
}
