package control

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// limits are how long a client may take. Tests shorten them.
type limits struct {
	line  time.Duration // over one line, however many bytes it sends meanwhile
	reply time.Duration // to read one reply, and so much longer for each replyStep bytes of it
	// grace is how long the port waits for a second line. Pen closes after the first, and its clients wait for that; ours send the second with the first.
	grace time.Duration
	// patience is how long a client may be silent while others wait for its place. Then the longest silent one is closed.
	patience time.Duration
}

var usualLimits = limits{line: 10 * time.Second, reply: 10 * time.Second, grace: 50 * time.Millisecond, patience: time.Second}

const (
	replyStep = 1 << 20
	maxVain   = 1000 // lines in a row that fail or say nothing close a connection: nobody is at work there
)

// The lines that are the port's own. To Pen a verdict query is a comment behind the one line that it reads.
const (
	verdictQuery = "# pen:verdict" // asks how the command before it went
	sessionWord  = "session"       // keeps the connection open for one command after another, typed by hand
	quitWord     = "quit"          // ends it
)

// A verdict is verdictMark, which no reply has in it, and verdictOK or the reason of the failure, and an end of line.
const (
	verdictMark = "\x00"
	verdictOK   = "ok"
)

// client is one connection to the port.
type client struct {
	// constant after newClient
	port   *Port
	conn   net.Conn
	origin Origin

	// owned by its goroutine
	lines   *bufio.Reader
	session bool // it is known to send one line after another
	verdict error
	vain    int // lines in a row that failed or said nothing

	silentSince atomic.Int64 // atomic: its goroutine writes. Unix ns while it is waited for, 0 while it is served
}

func newClient(p *Port, conn net.Conn) *client {
	c := &client{port: p, conn: conn, origin: originOf(conn), lines: bufio.NewReaderSize(conn, maxLine+1)}
	c.silentSince.Store(time.Now().UnixNano())
	return c
}

// originOf trusts root and our own user, whom the kernel vouches for, at the other end of a Unix socket.
func originOf(conn net.Conn) Origin {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return Network
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return Network
	}
	origin := Network
	_ = raw.Control(func(fd uintptr) { // an error leaves it at Network
		if peer, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil && (peer.Uid == 0 || int(peer.Uid) == os.Geteuid()) {
			origin = Trusted
		}
	})
	return origin
}

// serve answers line by line until the client ends, is too slow, or has had its one answer and sends nothing more.
func (c *client) serve() {
	for {
		line, ok := c.next()
		if !ok || !c.answer(line) {
			return
		}
		if !c.session && !c.goesOn() {
			return
		}
	}
}

// next reads a line. What stands before the end of the stream without an end of line is one too.
func (c *client) next() (line string, ok bool) {
	if here, _ := c.lines.Peek(c.lines.Buffered()); bytes.IndexByte(here, '\n') < 0 { // there is one to wait for
		c.silentSince.Store(time.Now().UnixNano())
		if err := c.conn.SetReadDeadline(time.Now().Add(c.port.limits.line)); err != nil {
			return "", false
		}
	}
	text, err := c.lines.ReadSlice('\n')
	c.silentSince.Store(0)
	if err == bufio.ErrBufferFull {
		c.send("line is too long\n")
		return "", false
	}
	if err != nil && (err != io.EOF || len(text) == 0) {
		return "", false
	}
	return string(bytes.TrimSuffix(text, []byte("\n"))), true
}

// goesOn reports whether there is more than the one line that Pen answers; if so the client is one that reads answers line by line.
func (c *client) goesOn() bool {
	if c.lines.Buffered() == 0 {
		if err := c.conn.SetReadDeadline(time.Now().Add(c.port.limits.grace)); err != nil {
			return false
		}
		if _, err := c.lines.Peek(1); err != nil {
			return false
		}
	}
	c.session = true
	return true
}

// answer obeys one line and reports whether there may be another.
func (c *client) answer(line string) bool {
	args := split(line)
	switch c.vain++; {
	case c.vain > maxVain:
		return false
	case strings.TrimRight(line, "\r") == verdictQuery:
		return c.send(verdictMark + verdictText(c.verdict) + "\n")
	case len(args) > 0 && args[0] == quitWord:
		return false
	case len(args) > 0 && args[0] == sessionWord:
		c.session, c.verdict = true, nil
		return true
	}
	if len(args) > 0 && isLarge(args[0]) {
		select {
		case c.port.large <- struct{}{}:
			defer func() { <-c.port.large }()
		case <-c.port.closed:
			return false
		}
	}
	var reply string
	reply, c.verdict = c.port.in.Do(line, c.origin)
	switch {
	case c.verdict != nil:
		c.port.log.Debug("a control command fails", "client", c.conn.RemoteAddr().String(), "error", c.verdict)
	case !isNothing(args):
		c.vain = 0
	}
	return c.send(reply)
}

// isLarge says that the reply to a word grows with the client table.
func isLarge(word string) bool { return word == "recent" || word == "status" }

// send writes a reply and reports whether it is out.
func (c *client) send(reply string) bool {
	if reply == "" {
		return true
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.port.limits.reply * time.Duration(1+len(reply)/replyStep))); err != nil {
		return false
	}
	_, err := io.WriteString(c.conn, reply)
	return err == nil
}

// verdictText is one line.
func verdictText(err error) string {
	if err == nil {
		return verdictOK
	}
	return strings.NewReplacer("\n", "; ", "\r", " ", verdictMark, "").Replace(err.Error())
}
