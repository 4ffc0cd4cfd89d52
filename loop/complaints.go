package loop

import (
	"fmt"
	"syscall"
)

// complaints keeps a loop that meets the same trouble at every connection from drowning its log. Owned by the loop.
type complaints struct {
	second int64 // unix second the count is of
	count  int
}

const complaintsPerSecond = 5

// allow reports whether one more line may be written at a time, unix nanoseconds.
func (c *complaints) allow(now int64) bool {
	if s := now / 1e9; s != c.second {
		*c = complaints{second: s}
	}
	c.count++
	return c.count <= complaintsPerSecond
}

// remedy is what an operator can do about an errno that is our own trouble.
func remedy(e syscall.Errno) string {
	switch e {
	case syscall.EMFILE:
		return "raise the descriptor limit (ulimit -n) or lower -x"
	case syscall.ENFILE:
		return "raise fs.file-max"
	case syscall.ENOSPC:
		return "raise fs.epoll.max_user_watches"
	case syscall.ENOMEM, syscall.ENOBUFS:
		return "give the machine memory, or lower -x"
	case syscall.EADDRNOTAVAIL:
		return "widen net.ipv4.ip_local_port_range"
	case syscall.EAGAIN:
		return "give the server's Unix socket a longer backlog, or widen net.ipv4.ip_local_port_range"
	case syscall.EPERM, syscall.EACCES:
		return "look at the machine's own rules: firewall, security module, permissions"
	}
	return "none known, please report it"
}

// refusal names the call that an errno is the answer of; nil if there is none.
func refusal(call string, e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", call, e)
}
