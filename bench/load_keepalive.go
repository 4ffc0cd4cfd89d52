package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// driveKeepalive keeps one ask on its way on each of Conns connections. It is built on gnet's client: with 64 connections its event loops take about half of what as many blocking
// threads take per request, and with 1 000 threads would not do at all.
func driveKeepalive(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	h := &asker{tally: t}
	client, err := gnet.NewClient(h, gnet.WithNumEventLoop(min(runtime.NumCPU(), j.Shape.Conns)), gnet.WithLogger(quietLog{}))
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		return load{}, fmt.Errorf("start clients: %w", err)
	}
	conns := make([]gnet.Conn, j.Shape.Conns)
	for i := range conns {
		if conns[i], err = h.dial(client, clientAddr(i%j.Shape.Clients), to[i%j.Shape.Clients%len(to)], newAsks(j.Shape, i)); err != nil {
			return load{}, errors.Join(fmt.Errorf("open connection %d of %d: %w", i+1, j.Shape.Conns, err), client.Stop())
		}
	}
	// Only now, so that the first to be open do not hold up the last.
	for _, c := range conns {
		if err := c.Wake(nil); err != nil {
			return load{}, errors.Join(err, client.Stop())
		}
	}
	return load{finish: func(*outcome) error { return errors.Join(h.settle(j.Shape.Conns), client.Stop()) }}, nil
}

// asker is the gnet event handler of the clients.
type asker struct {
	gnet.BuiltinEventEngine

	tally *tally
	live  atomic.Int64 // connections open; written by the event loops and dial
}

// askerConn is a client's side of one connection. Owned by the connection's event loop.
type askerConn struct {
	asks asks
	ask  header // on its way; none before the first wake-up
	out  []byte
	done bool // ended as it should, or the error is counted
}

func (h *asker) dial(client *gnet.Client, from netip.Addr, to inet4, a asks) (gnet.Conn, error) {
	d := net.Dialer{Timeout: startLimit, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Control: noPortYet}
	c, err := d.DialContext(context.Background(), "tcp4", to.String())
	if err != nil {
		return nil, err
	}
	h.live.Add(1)
	g, err := client.EnrollContext(c, &askerConn{asks: a, out: make([]byte, headerSize+a.shape.Up)})
	if err != nil {
		h.live.Add(-1)
	}
	return g, err
}

// noPortYet leaves the choice of the local port to connect, as bindFrom does.
func noPortYet(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	}); e != nil {
		return e
	}
	return err
}

// next composes the next ask.
func (k *askerConn) next() []byte {
	k.ask = k.asks.next()
	k.ask.compose(k.out)
	return k.out
}

// OnTraffic takes an answer and sends the next ask. It is also called by the wake-up that begins the load, with nothing to read.
func (h *asker) OnTraffic(c gnet.Conn) gnet.Action {
	k := c.Context().(*askerConn)
	if k.ask.Magic != 0 {
		size := headerSize + int(k.ask.Down)
		b, err := c.Peek(size)
		if err != nil {
			return gnet.None
		}
		if err = checkMessage(b, k.ask); err == nil && c.InboundBuffered() > size {
			err = errors.New("more bytes than the server sent")
		}
		if err != nil {
			return h.end(k, err)
		}
		_, _ = c.Discard(size)
		h.tally.units.Add(1)
	}
	if h.tally.stopping.Load() {
		return h.end(k, nil)
	}
	if _, err := c.Write(k.next()); err != nil {
		return h.end(k, err)
	}
	return gnet.None
}

func (h *asker) end(k *askerConn, err error) gnet.Action {
	k.done = true
	if err != nil {
		h.tally.Fail(err)
	}
	return gnet.Close
}

func (h *asker) OnClose(c gnet.Conn, err error) gnet.Action {
	if k := c.Context().(*askerConn); !k.done {
		h.tally.Fail(fmt.Errorf("connection ended between ask and answer: %v", err))
	}
	h.live.Add(-1)
	return gnet.None
}

// settle waits until every connection has had its last answer.
func (h *asker) settle(all int) error {
	for deadline := time.Now().Add(settleLimit); h.live.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d connections stand still", h.live.Load(), all)
		}
	}
	return nil
}
