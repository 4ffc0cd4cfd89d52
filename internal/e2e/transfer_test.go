package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// transfer is one way for two peers to exchange bytes and end. Each side closes only after it has seen the other's end and checked every byte.
type transfer struct {
	name   string
	most   int  // bytes each way, at most
	tight  bool // both peers have small socket buffers
	client func(conn, order) error
	server func(conn, order) error
}

// rest is the pause of a slow peer.
const rest = 200 * time.Microsecond

var (
	clientEndsFirst = transfer{name: "client ends first", most: 1 << 20, client: func(c conn, o order) error {
		return errors.Join(o.sendUp(c), c.CloseWrite(), o.receiveDown(c))
	}, server: func(c conn, o order) error {
		return errors.Join(o.receiveUp(c), o.sendDown(c), c.CloseWrite())
	}}
	serverEndsFirst = transfer{name: "server ends first", most: 1 << 20, client: func(c conn, o order) error {
		return errors.Join(o.receiveDown(c), o.sendUp(c), c.CloseWrite())
	}, server: func(c conn, o order) error {
		return errors.Join(o.sendDown(c), c.CloseWrite(), o.receiveUp(c))
	}}
	bothAtOnce = transfer{name: "both at once", most: 1 << 20, client: together(order.sendUp, order.receiveDown), server: together(order.sendDown, order.receiveUp)}

	// brisk are those that take no longer than they have to, however much there is to carry.
	brisk = []transfer{clientEndsFirst, serverEndsFirst, bothAtOnce}
)

var transfers = append(slices.Clip(brisk), []transfer{
	{name: "slow reader", most: 256 << 10, tight: true, client: func(c conn, o order) error {
		return errors.Join(o.sendUp(c), c.CloseWrite(), o.receiveDown(slow{c, 4096, rest}))
	}, server: func(c conn, o order) error {
		return errors.Join(o.receiveUp(c), o.sendDown(c), c.CloseWrite())
	}},
	{name: "slow writer", most: 64 << 10, client: func(c conn, o order) error {
		return errors.Join(o.sendUp(slow{c, 1000, rest}), c.CloseWrite(), o.receiveDown(c))
	}, server: func(c conn, o order) error {
		return errors.Join(o.receiveUp(c), o.sendDown(slow{c, 1000, rest}), c.CloseWrite())
	}},
	{name: "slow server", most: 256 << 10, tight: true, client: clientEndsFirst.client, server: func(c conn, o order) error {
		return errors.Join(o.receiveUp(slow{c, 4096, rest}), o.sendDown(c), c.CloseWrite())
	}},
}...)

// together sends and receives at the same time.
func together(send func(order, io.Writer) error, receive func(order, io.Reader) error) func(conn, order) error {
	return func(c conn, o order) error {
		sent := make(chan error, 1)
		go func() { sent <- errors.Join(send(o, c), c.CloseWrite()) }()
		return errors.Join(receive(o, c), <-sent)
	}
}

// serve starts a server that plays its side of the transfer.
func (x transfer) serve(t *testing.T, address string) *server {
	t.Helper()
	return serve(t, address, func(c conn) error {
		o, err := receiveOrder(c)
		if err != nil {
			return fmt.Errorf("receive the order: %w", err)
		}
		if x.tight {
			raw, err := c.SyscallConn()
			if err != nil {
				return err
			}
			if err := raw.Control(smallBuffers); err != nil {
				return err
			}
		}
		return x.server(c, o)
	})
}

// run plays the client's side once.
func (x transfer) run(from netip.Addr, to string, o order) error {
	var options []func(uintptr)
	if x.tight {
		options = append(options, smallBuffers)
	}
	c, err := connect(from, to, options...)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := o.send(c); err != nil {
		return err
	}
	return x.client(c, o)
}

// Sizes at and around the powers of two at which buffers and pipes fill, and none at all.
var edges = []int{0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 262143, 262144, 262145, 1 << 20}

// orders returns n orders, edges first, then sizes between; from a fixed seed.
func (x transfer) orders(n int) (list []order) {
	random := rand.New(rand.NewPCG(2, 1))
	for i := range n {
		o := order{Seed: random.Uint64(), Up: random.Int64N(int64(x.most) + 1), Down: random.Int64N(int64(x.most) + 1)}
		if i < len(edges) {
			o.Up, o.Down = int64(min(edges[i], x.most)), int64(min(edges[len(edges)-1-i], x.most))
		}
		list = append(list, o)
	}
	return list
}

// Bytes arrive exactly, whoever is slow and whoever ends first, copied or spliced.
func TestTransfersAreExact(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		eachSplice(t, func(t *testing.T, splice string) {
			runs := sized(len(edges), 100)
			for _, x := range transfers {
				t.Run(x.name, func(t *testing.T) {
					s := x.serve(t, "")
					b := launch{poller: poller, flags: []string{"--splice", splice}, servers: []string{s.address}}.start(t)
					x.runAll(t, b.address, runs)
					shown(t, "%s, splice %s, %s: %d runs, byte-exact", poller, splice, x.name, runs)
				})
			}
		})
	})
}

// runAll plays the client's side n times, several at once, from different addresses.
func (x transfer) runAll(t *testing.T, address string, n int) {
	t.Helper()
	const at = 6
	todo := make(chan order)
	var workers sync.WaitGroup
	for i := range at {
		workers.Go(func() {
			for o := range todo {
				if err := x.run(client(i, address), address, o); err != nil {
					t.Errorf("%d bytes up, %d down: %v", o.Up, o.Down, err)
				}
			}
		})
	}
	for _, o := range x.orders(n) {
		todo <- o
	}
	close(todo)
	workers.Wait()
}

// PEN.md B6: the client sends, ends its side, the server answers 200 000 bytes and closes. Pen lost the tail of every second answer.
func TestB6HalfCloseLosesNothing(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		eachSplice(t, func(t *testing.T, splice string) {
			x := clientEndsFirst
			s := x.serve(t, "")
			b := launch{poller: poller, flags: []string{"--splice", splice}, servers: []string{s.address}}.start(t)
			for i := range sized(20, 200) {
				if err := x.run(loopback(i), b.address, order{Seed: uint64(i), Up: 100, Down: 200_000}); err != nil {
					t.Fatalf("run %d: %v", i, err)
				}
			}
		})
	})
}

// A large transfer each way, with each peer ending first, through pipes of every size allowed.
func TestLargeTransfers(t *testing.T) {
	size := int64(sized(32<<20, 1<<30))
	eachPoller(t, func(t *testing.T, poller string) {
		for _, c := range []struct {
			splice, pipe string
			o            order
		}{
			{"auto", "256k", order{Seed: 1, Up: size}},
			{"auto", "256k", order{Seed: 2, Down: size}},
			{"always", "4k", order{Seed: 3, Up: size / 8, Down: size / 8}},
			{"always", "1m", order{Seed: 4, Up: size / 2, Down: size / 2}},
			{"never", "256k", order{Seed: 5, Up: size / 2, Down: size / 2}},
		} {
			for _, x := range brisk {
				t.Run(fmt.Sprintf("splice %s, pipes %s, %d MiB up, %d MiB down, %s", c.splice, c.pipe, c.o.Up>>20, c.o.Down>>20, x.name), func(t *testing.T) {
					s := x.serve(t, "")
					b := launch{poller: poller, flags: []string{"--splice", c.splice, "--pipe-size", c.pipe}, servers: []string{s.address}}.start(t)
					began := time.Now()
					if err := x.run(loopback(0), b.address, c.o); err != nil {
						t.Fatal(err)
					}
					shown(t, "%s: byte-exact (SHA-256), %.0f MB/s with both peers hashing", t.Name(), float64(c.o.Up+c.o.Down)/1e6/time.Since(began).Seconds())
				})
			}
		}
	})
}
