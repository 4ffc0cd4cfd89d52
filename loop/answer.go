package loop

import (
	"syscall"

	"pen/internal/account"
	"pen/internal/sys"
)

// dummyAnswer is what Pen's dummy says, to the byte: scripts look for it.
const dummyAnswer = "HTTP/1.0 200 OK\r\nContent-Length: 15\r\nContent-Type: text/html\r\n\r\nUlric was here."

// answer plays the server for a client that has sent something: one fixed answer, whatever it was.
func (l *Loop) answer(c *conn) {
	if !c.client.readable || !l.discardSome(&c.client) {
		if l.watch(&c.client, false) != 0 {
			l.close(c, account.Local)
		}
		return
	}
	n, _ := sys.Send(int(c.client.fd), []byte(dummyAnswer))
	l.ledger.Add(account.BytesDown, uint64(n))
	l.close(c, account.Answered)
}

// discardSome reads and drops what is there, and reports whether there was anything, the end and an error included.
func (l *Loop) discardSome(e *end) bool {
	_, errno := sys.Recv(int(e.fd), l.buf)
	if errno == syscall.EAGAIN {
		e.readable = false
	}
	return errno != syscall.EAGAIN
}
