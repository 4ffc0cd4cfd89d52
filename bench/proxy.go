package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// running is a peer at work: the addresses to connect to, and the proxy's process unless it is direct.
type running struct {
	addrs []string
	proxy *child // nil: direct
	path  string // of the proxy's binary
	dir   string // for its files; goes with it. Empty: none
}

func (r *running) pid() int {
	if r.proxy == nil {
		return 0
	}
	return r.proxy.Pid()
}

func (r *running) stop() error {
	if r.dir != "" {
		defer os.RemoveAll(r.dir)
	}
	if r.proxy == nil {
		return nil
	}
	return r.proxy.Stop(stopGrace)
}

// explain says more about an error, if it is that the proxy has ended.
func (r *running) explain(err error) error {
	if r.proxy == nil || !r.proxy.Ended() {
		return err
	}
	return fmt.Errorf("%s ended: %w: %s", filepath.Base(r.path), errors.Join(r.proxy.err, err), r.proxy.Said())
}

// startPeer starts a peer and returns when an ask through it is answered. It chooses where the peer listens.
func startPeer(ctx context.Context, p *peer, t task) (*running, error) {
	if p.direct() {
		return &running{addrs: t.Servers}, nil
	}
	// Between choosing a free port and the proxy's listening another process may take it: then another is tried.
	const tries = 3
	var err error
	for range tries {
		var r *running
		if r, err = tryPeer(ctx, p, t); err == nil || ctx.Err() != nil {
			return r, err
		}
	}
	return nil, err
}

func tryPeer(ctx context.Context, p *peer, t task) (*running, error) {
	port, release, err := reservePort()
	if err != nil {
		return nil, err
	}
	release()
	t.Listen = fmt.Sprintf("127.0.0.1:%d", port)
	argv, err := p.Kind.argv(p, t)
	if err != nil {
		return nil, err
	}
	c, err := startChild(command{Argv: argv, DeathSignal: p.Kind.deathSignal})
	if err != nil {
		return nil, err
	}
	if err := awaitAnswer(ctx, c, t.Listen); err != nil {
		c.Stop(0)
		return nil, fmt.Errorf("start %s: %w: %s", p.Label, err, c.Said())
	}
	return &running{addrs: []string{t.Listen}, proxy: c, path: p.Path}, nil
}

// awaitAnswer returns when an ask to addr is answered, or with an error when the child has ended or startLimit is over.
func awaitAnswer(ctx context.Context, c *child, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := askOnce(addr)
		switch {
		case err == nil:
			return nil
		case c.Ended():
			return errors.New("it ended at once")
		case ctx.Err() != nil:
			return err
		}
		select {
		case <-c.ended:
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// askOnce sends one ask on a connection of its own and checks the answer.
func askOnce(addr string) error {
	c, err := net.DialTimeout("tcp", addr, startLimit)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	ask := header{Magic: magicAsk, Tag: uint64(os.Getpid()), Up: smallUp, Down: smallDown}
	out := make([]byte, headerSize+smallUp)
	ask.compose(out)
	if _, err := c.Write(out); err != nil {
		return err
	}
	in := make([]byte, headerSize+smallDown)
	if _, err := io.ReadFull(c, in); err != nil {
		return err
	}
	return checkMessage(in, ask)
}
