package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// reset closes a TCP connection with RST instead of FIN.
func reset(c conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// ending reads to the end and says how it came: io.EOF, or the error. Writes that go on meanwhile are the caller's.
func ending(c conn) error {
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return err
		}
	}
}

// moments are what a connection may be doing when one side resets it.
var moments = []struct {
	name string
	// sufferer is the part of the side that is reset, before it waits for the end.
	sufferer func(conn) error
}{
	{"while idle", exchangeByte},
	{"after the other's half-close", func(c conn) error { return errors.Join(exchangeByte(c), c.CloseWrite()) }},
	{"with the other's bytes unread", func(c conn) error { return errors.Join(exchangeByte(c), fill(c)) }},
}

// exchangeByte sends one byte and reads the other side's, so that both know the connection is up from end to end.
func exchangeByte(c conn) error {
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// fill writes until nothing has been taken for a while: every buffer on the way is full.
func fill(c conn) error {
	piece := make([]byte, 256<<10)
	for {
		_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.Write(piece); errors.Is(err, os.ErrDeadlineExceeded) {
			return c.SetWriteDeadline(time.Now().Add(patience))
		} else if err != nil {
			return err
		}
	}
}

// A reset by one side is a reset for the other, not an orderly end, whatever the connection was doing.
func TestResetIsPassedOn(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		eachSplice(t, func(t *testing.T, splice string) {
			for _, m := range moments {
				ready, ended := make(chan error, 1), make(chan error, 1)
				resetter := func(c conn) {
					if err := errors.Join(exchangeByte(c), <-ready); err != nil {
						t.Errorf("%s: %v", m.name, err)
					}
					reset(c)
				}
				sufferer := func(c conn) {
					ready <- m.sufferer(c)
					ended <- ending(c)
				}
				check := func(t *testing.T) {
					if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("the other side sees %v, want a reset", err)
					}
				}
				t.Run("client resets "+m.name, func(t *testing.T) {
					defer check(t)
					between(t, poller, splice, resetter, sufferer)
				})
				t.Run("server resets "+m.name, func(t *testing.T) {
					defer check(t)
					between(t, poller, splice, sufferer, resetter)
				})
			}
		})
	})
}

// A peer that ends its side in order and then resets: the other reads the end, and its writes come to an error instead of going nowhere for ever.
func TestResetAfterHalfClose(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		eachSplice(t, func(t *testing.T, splice string) {
			t.Parallel() // what is still sent to one that has gone may be taken for a while
			ended := make(chan bool, 1)
			resetter := func(c conn) {
				err := errors.Join(exchangeByte(c), c.CloseWrite())
				<-ended // the sufferer has read the end
				if err != nil {
					t.Error(err)
				}
				reset(c)
			}
			sufferer := func(c conn) {
				err := errors.Join(exchangeByte(c), ending(c))
				ended <- true
				if !errors.Is(err, io.EOF) {
					t.Errorf("after the half-close: %v, want EOF", err)
				}
				for err = nil; err == nil; _, err = c.Write(make([]byte, 1000)) {
				}
				if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
					t.Errorf("writes end with %v, want a reset", err)
				}
			}
			t.Run("client resets", func(t *testing.T) { between(t, poller, splice, resetter, sufferer) })
			t.Run("server resets", func(t *testing.T) { between(t, poller, splice, sufferer, resetter) })
		})
	})
}

// between connects a client and a server through pen and returns when both have played their parts.
func between(t *testing.T, poller, splice string, client, server func(conn)) {
	t.Helper()
	served := make(chan bool)
	s := serve(t, "", func(c conn) error {
		server(c)
		close(served)
		return nil
	})
	b := launch{poller: poller, flags: []string{"--splice", splice}, servers: []string{s.address}}.start(t)
	c, err := connect(loopback(1), b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client(c)
	<-served
}
