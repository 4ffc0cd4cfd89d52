package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// How long one who asks may take. Nobody at the window waits for anything but the answer.
const (
	headLimit   = 5 * time.Second
	readLimit   = 10 * time.Second
	writeLimit  = 15 * time.Second // of a whole answer, and of each sample of a stream
	silentLimit = time.Minute      // between two requests over one connection
	farewell    = time.Second      // for answers under way when the process ends
	maxHead     = 16 << 10         // bytes
	maxBody     = 4 << 10          // bytes
)

// sampleEvery is how often whoever watches is told. A person does not read faster.
const sampleEvery = time.Second

// viewerShare is the part of the connections that may be streams: the rest is for questions, /readyz among them.
const viewerShare = 0.8

// Config is how the window is opened.
type Config struct {
	Address string // host:port to listen at
	Token   string // what who acts has to show; "" = nobody may act
	Conns   int    // connections at once, at least 1
	Log     *slog.Logger
}

// Window is an open window. It has goroutines of its own and takes no lock that the traffic needs.
type Window struct {
	// constant after Open
	world    World
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	token    *token // nil: nobody may act
	local    bool   // it listens on loopback only
	stream   *broadcaster
	scan     chan struct{} // whoever goes through the client table or asks the loops has its one element

	supposing chan struct{} // whoever simulates has its one element

	shut      sync.Once
	lately    lately
	imbalance imbalance
}

// Open listens. The caller runs the Window with Run or closes it.
func Open(cfg Config, world World) (*Window, error) {
	listener, err := net.Listen("tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("open the web page: %w", err)
	}
	s := newWindow(cfg, world)
	s.listener = newLimited(listener, cfg.Conns)
	at, ok := listener.Addr().(*net.TCPAddr)
	s.local = ok && at.IP.IsLoopback()
	return s, nil
}

// newWindow is a window with no listener.
func newWindow(cfg Config, world World) *Window {
	s := &Window{world: world, log: cfg.Log, token: newToken(cfg.Token), scan: make(chan struct{}, 1), supposing: make(chan struct{}, 1)}
	s.stream = newBroadcaster(s.sample, sampleEvery, max(1, int(float64(cfg.Conns)*viewerShare)))
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headLimit, ReadTimeout: readLimit, WriteTimeout: writeLimit, IdleTimeout: silentLimit, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Addr is where the window is.
func (s *Window) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, and returns when every request is answered or cut off.
func (s *Window) Run(ctx context.Context) {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx } // ends the streams
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serve the web page", "error", err)
		}
	}()
	select {
	case <-ctx.Done():
	case <-served: // what could not be served is no reason to end anything else
	}
	last, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if s.http.Shutdown(last) != nil {
		s.Close()
	}
	<-served
	s.stream.close()
}

// Close closes the window and all connections. It may be called more than once and does not wait.
func (s *Window) Close() {
	s.shut.Do(func() {
		s.http.Close()
		s.listener.Close() // also when it was never served
	})
}

// limited is a listener with so many connections open at most. More wait in the kernel's queue.
type limited struct {
	net.Listener
	places chan struct{} // a connection that is open has one element in it
	closed chan struct{}
	once   sync.Once
}

func newLimited(l net.Listener, most int) *limited {
	return &limited{Listener: l, places: make(chan struct{}, max(1, most)), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// placed is a connection that has a place.
type placed struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *placed) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
