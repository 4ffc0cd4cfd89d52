package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// answerer is the gnet event handler of the servers.
type answerer struct {
	gnet.BuiltinEventEngine

	// constant after newServers
	booted   chan gnet.Engine
	sessions *sync.Pool // of *session
}

// session is what a server remembers of one connection. Owned by the connection's event loop.
type session struct {
	ask     header
	inBody  bool
	checked uint32 // bytes of the ask's body found right
	small   [smallAnswer]byte
}

// smallAnswer is the length in bytes up to which an answer is put together in the session, for one plain write.
const smallAnswer = 512

func (a *answerer) OnBoot(e gnet.Engine) gnet.Action {
	a.booted <- e
	return gnet.None
}

func (a *answerer) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	c.SetContext(a.sessions.Get())
	return nil, gnet.None
}

func (a *answerer) OnClose(c gnet.Conn, _ error) gnet.Action {
	s := c.Context().(*session)
	*s = session{}
	a.sessions.Put(s)
	return gnet.None
}

// OnTraffic checks what came and answers every ask that is complete.
func (a *answerer) OnTraffic(c gnet.Conn) gnet.Action {
	s := c.Context().(*session)
	for {
		if !s.inBody {
			b, err := c.Peek(headerSize)
			if err != nil {
				return gnet.None
			}
			if s.ask, err = parseAsk(b); err != nil {
				return s.refuse(c)
			}
			_, _ = c.Discard(headerSize)
			s.inBody, s.checked = true, 0
		}
		if n := min(int(s.ask.Up-s.checked), c.InboundBuffered()); n > 0 {
			part, err := c.Peek(n)
			if err != nil || checkBody(s.ask.Tag, upBody, s.checked, part) != nil {
				return s.refuse(c)
			}
			_, _ = c.Discard(n)
			s.checked += uint32(n)
		}
		if s.checked < s.ask.Up {
			return gnet.None
		}
		s.inBody = false
		if err := s.answer(c); err != nil || s.ask.Flags&hangUp != 0 {
			return gnet.Close
		}
	}
}

func (s *session) answer(c gnet.Conn) error {
	answerTo(s.ask).put(s.small[:])
	down := body(s.ask.Tag, downBody, s.ask.Down)
	if headerSize+len(down) <= smallAnswer {
		_, err := c.Write(s.small[:headerSize+copy(s.small[headerSize:], down)])
		return err
	}
	_, err := c.Writev([][]byte{s.small[:headerSize], down})
	return err
}

func (s *session) refuse(c gnet.Conn) gnet.Action {
	h := answerTo(s.ask)
	h.Flags |= garbled
	h.put(s.small[:])
	_, _ = c.Write(s.small[:headerSize])
	return gnet.Close
}

// servers are running servers, all of one gnet engine.
type servers struct {
	Addrs []string

	engine gnet.Engine
	ended  chan error
}

// startServers starts n servers on loopback ports of their own.
func startServers(n int) (*servers, error) {
	var urls, addrs []string
	for range n {
		port, release, err := reservePort()
		if err != nil {
			return nil, err
		}
		defer release()
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		addrs, urls = append(addrs, addr), append(urls, "tcp4://"+addr)
	}
	a := &answerer{booted: make(chan gnet.Engine, 1), sessions: &sync.Pool{New: func() any { return new(session) }}}
	s := &servers{Addrs: addrs, ended: make(chan error, 1)}
	go func() {
		s.ended <- gnet.Rotate(a, urls, gnet.WithReusePort(true), gnet.WithReuseAddr(true), gnet.WithNumEventLoop(runtime.NumCPU()), gnet.WithReadBufferCap(maxBody), gnet.WithLogger(quietLog{}))
	}()
	select {
	case s.engine = <-a.booted:
	case err := <-s.ended:
		return nil, fmt.Errorf("start servers: %w", err)
	}
	return s, s.wait()
}

// wait returns when every server accepts connections.
func (s *servers) wait() error {
	for _, addr := range s.Addrs {
		if err := awaitListener(addr, 5*time.Second); err != nil {
			return err
		}
	}
	return nil
}

func awaitListener(addr string, within time.Duration) error {
	for deadline := time.Now().Add(within); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// Close stops the servers and waits for their event loops.
func (s *servers) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.engine.Stop(ctx); err != nil {
		return err
	}
	return <-s.ended
}

// reservePort binds a loopback port without listening, so that no one else is given it, while listeners with SO_REUSEPORT may still share it.
func reservePort() (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}
	const soReusePort = 15
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		var sa syscall.Sockaddr
		if sa, err = syscall.Getsockname(fd); err == nil {
			return sa.(*syscall.SockaddrInet4).Port, func() { syscall.Close(fd) }, nil
		}
	}
	syscall.Close(fd)
	return 0, nil, fmt.Errorf("reserve a port: %w", err)
}

// quietLog keeps gnet's warnings out of the report: a client that goes away is no news here.
type quietLog struct{}

func (quietLog) Debugf(string, ...any)     {}
func (quietLog) Infof(string, ...any)      {}
func (quietLog) Warnf(string, ...any)      {}
func (quietLog) Errorf(f string, v ...any) { log.Printf(f, v...) }
func (quietLog) Fatalf(f string, v ...any) { log.Fatalf(f, v...) }
