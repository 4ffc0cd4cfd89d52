package loop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/splice"
)

// PEN.md B6: the client sends, shuts down writing, the server answers 200 000 bytes and closes; half of Pen's runs lost the end.
func TestHalfCloseByTheClientLosesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		answer := noise(200_000)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			if q, _ := io.ReadAll(c); string(q) == "question" {
				c.Write(answer)
			}
		})}, withMode(mode))
		for range 20 {
			c := r.dial().(*net.TCPConn)
			io.WriteString(c, "question")
			c.CloseWrite()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, answer) {
				t.Fatalf("got %d of %d bytes: %v", len(got), len(answer), err)
			}
			c.Close()
		}
		r.ended(account.ClientFin, 20)
	})
}

func TestHalfCloseByTheServerLeavesTheClientSending(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		upload := noise(3 << 20)
		got := make(chan []byte, 1)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			io.WriteString(c, "go on")
			c.CloseWrite()
			p, _ := io.ReadAll(c)
			got <- p
		})}, withMode(mode))
		c := r.dial().(*net.TCPConn)
		if p, err := io.ReadAll(c); string(p) != "go on" || err != nil {
			t.Fatalf("read %q, %v", p, err)
		}
		c.Write(upload)
		c.Close()
		if p := <-got; !bytes.Equal(p, upload) {
			t.Errorf("the server got %d of %d bytes", len(p), len(upload))
		}
		r.ended(account.ServerFin, 1)
	})
}

func TestResetByTheServerReachesTheClientAfterItsBytes(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		answer := noise(300_000)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			c.Write(answer)
			io.ReadFull(c, make([]byte, 2)) // the client has seen some of it: our own kernel has sent all
			c.SetLinger(0)
		})}, withMode(mode))
		c := r.dial()
		head := make([]byte, 1000)
		io.ReadFull(c, head)
		io.WriteString(c, "ok")
		rest, err := io.ReadAll(c)
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client's read ended with %v, expected a reset", err)
		}
		if got := append(head, rest...); !bytes.Equal(got, answer[:len(got)]) {
			t.Error("the bytes before the reset are not those sent")
		}
		r.ended(account.ServerReset, 1)
	})
}

func TestResetByTheClientReachesTheServer(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		end := make(chan error, 1)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			io.WriteString(c, "hello")
			_, err := io.ReadAll(c)
			end <- err
		})}, withMode(mode))
		c := r.dial().(*net.TCPConn)
		io.ReadFull(c, make([]byte, 5))
		io.WriteString(c, "bye")
		c.SetLinger(0)
		c.Close()
		if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server's read ended with %v, expected a reset", err)
		}
		r.ended(account.ClientReset, 1)
	})
}

// The client has ended its own direction, so no read of ours will come across its reset: only the error event tells.
func TestResetAfterHalfCloseIsSeen(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		seen, end := make(chan struct{}), make(chan error, 1)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			io.ReadAll(c)
			close(seen)
			for {
				// Nothing is sent: the server waits, and learns of the reset from its error queue.
				if _, err := c.Write(nil); err != nil {
					end <- err
					return
				}
				if raw, _ := c.SyscallConn(); raw != nil {
					var pending int
					raw.Control(func(fd uintptr) { pending, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR) })
					if pending != 0 {
						end <- syscall.Errno(pending)
						return
					}
				}
				time.Sleep(time.Millisecond)
			}
		})}, nil)
		c := r.dial().(*net.TCPConn)
		c.CloseWrite()
		<-seen
		c.SetLinger(0)
		c.Close()
		// Our FIN has reached the server before, so its kernel names the reset a broken pipe (tcp_reset in CLOSE_WAIT).
		if err := <-end; !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server saw %v, expected the client's reset", err)
		}
		r.ended(account.ClientReset, 1)
	})
}

// A server that refuses an upload half way: it answers, ends, and closes with the upload unread, which resets the connection.
func TestAnswerOfAServerThatDoesNotReadToTheEndArrives(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		answer := noise(100_000)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 10))
			c.Write(answer)
			c.CloseWrite()
			time.Sleep(20 * time.Millisecond) // a moment for the upload to pile up unread, the case in point
		})}, withMode(mode))
		c := r.dial().(*net.TCPConn)
		go c.Write(noise(4 << 20))
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, answer) {
			t.Errorf("got %d of %d bytes: %v", len(got), len(answer), err)
		}
	})
}

func TestSlowReaderGetsEverythingAndHoldsTheSenderBack(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		const size = 32 << 20 // more than all the buffers on the way will hold
		answer := noise(size)
		written := make(chan int, 1)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) {
			c.SetWriteBuffer(64 << 10)
			c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			n, _ := c.Write(answer)
			written <- n
			c.SetWriteDeadline(time.Now().Add(patience))
			c.Write(answer[n:])
		})}, withMode(mode))
		c := r.dial().(*net.TCPConn)
		if n := <-written; n == size {
			t.Error("the whole answer was taken though the client reads nothing: nothing holds the sender back")
		}
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, answer) {
			t.Errorf("got %d of %d bytes: %v", len(got), size, err)
		}
	})
}

func TestUnixSocketsBothSides(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		path := temporary(t)
		r := newRig(t, poller, []string{serveUnix(t, func(c net.Conn) { io.Copy(c, c) })}, func(c *Config, _ *balance.Plan) {
			c.Splice, c.Endpoint = mode, Endpoint{Path: path}
		})
		for _, size := range []int{10, 3 << 20} {
			c := r.dial().(*net.UnixConn)
			sent := noise(size)
			go func() {
				c.Write(sent)
				c.CloseWrite()
			}()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes sent, %d came back: %v", size, len(got), err)
			}
		}
	})
}
