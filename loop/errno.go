package loop

import "syscall"

// Whose doing an errno is. What is not on these lists is our own trouble: the machine is out of something, a rule of its own forbids it, or pen is wrong. docs/reliability.md has the table, with what follows.

// blamed tells the connect errors that are the server's, or the way's to it: it is shunned for a while. EAGAIN is not: a Unix socket's full backlog is a busy server, not a dead one, and on TCP no port was left.
func blamed(e syscall.Errno) bool {
	switch e {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.EPROTOTYPE: // nobody made the Unix socket, or it is none
		return true
	}
	return isReset(e) || isLost(e)
}

// isReset tells that a peer has said that the connection is over.
func isReset(e syscall.Errno) bool {
	switch e {
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, syscall.ECONNABORTED:
		return true
	}
	return false
}

// isLost tells that nothing comes through to a peer. A connection that dies of silence has as its error what routers have said meanwhile (ICMP), if they did: not only ETIMEDOUT.
func isLost(e syscall.Errno) bool {
	switch e {
	case syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENONET, syscall.EPROTO, syscall.ENOPROTOOPT:
		return true
	}
	return false
}

// isOurs tells an errno of a connection that no peer has anything to do with.
func isOurs(e syscall.Errno) bool { return e != 0 && !isReset(e) && !isLost(e) }
