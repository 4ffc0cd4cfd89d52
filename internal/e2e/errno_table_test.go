package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fault is errnos of a call that end alike. The table is docs/reliability.md's as well (TestErrnoTable).
type fault struct {
	call    string // strace's; with commas where pollers make one or the other
	scene   string
	when    string // which of the calls in the scene: strace's
	errnos  string
	follows string
	client  string // what the client of the scene sees
	cause   string // of the ending
	lost    int    // sockets left open, because an injected close closes nothing
	raw     bool   // made by the raw poller's loops only
}

// Errnos that mean the same wherever they occur: wrong is by a fault of our own, short is for want of memory.
const (
	wrong = "EBADF EFAULT EINVAL ENOTSOCK"
	short = "ENOMEM ENOBUFS"
)

var faults = []fault{
	{call: "accept4", scene: "a client comes", when: "1", errnos: "EINTR ECONNABORTED EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH EPERM ETIMEDOUT",
		follows: "an error of one connection: the next is accepted at once", client: isServed, cause: "client_fin"},
	{call: "accept4", scene: "a client comes", when: "1", errnos: "EMFILE ENFILE ENOMEM ENOBUFS EAGAIN EACCES " + wrong,
		follows: "accepting rests for 100 ms, up to 1.6 s when it goes on, or until a connection ends", client: isServed, cause: "client_fin"},
	{call: "accept4", scene: "a client comes, for as long as it lasts", when: "1+", errnos: "EMFILE EPERM ENFILE ENOMEM ECONNABORTED EACCES EINVAL EINTR",
		follows: "accepting rests; what concerns one connection does so too after 64 in a row", client: waited, cause: "client_fin"},
	{call: "socket", scene: "a client comes", when: "1", errnos: "EMFILE ENFILE",
		follows: "the loop's spare descriptor is given up for it, and accepting rests until it is had again", client: isServed, cause: "client_fin"},
	{call: "socket", scene: "a client comes", when: "1+", errnos: "EMFILE ENFILE",
		follows: "and if that does not help: as below", client: sawEnd, cause: "local"},
	{call: "socket", scene: "a client comes", when: "1", errnos: "ENOBUFS ENOMEM EACCES EAFNOSUPPORT EPROTONOSUPPORT EINVAL",
		follows: "the next server is tried, no server is blamed", client: sawEnd, cause: "local"},
	{call: "setsockopt", scene: "a client comes", when: "1+", errnos: "ENOPROTOOPT EPERM ENOENT EDOM ENOMEM " + wrong,
		follows: "the connection is carried without the option", client: isServed, cause: "client_fin"},
	{call: "bind", scene: "a client comes, source set", when: "1+", errnos: "EADDRINUSE EADDRNOTAVAIL EACCES EBADF EINVAL ENOTSOCK",
		follows: "logged; the connection is made from the system's choice", client: isServed, cause: "client_fin"},
	{call: "connect", scene: "a client comes, no batch", when: "1", errnos: "EINTR EINPROGRESS EALREADY",
		follows: "asked again", client: isServed, cause: "client_fin"},
	{call: "connect", scene: "a client comes, no batch", when: "1", errnos: "ECONNREFUSED ENETUNREACH EHOSTUNREACH ECONNRESET ENOENT EPROTOTYPE ENETDOWN EHOSTDOWN",
		follows: "the server is blamed and left out for `-b`; the next one is tried", client: sawEnd, cause: "connect_refused"},
	{call: "connect", scene: "a client comes, no batch", when: "1", errnos: "ETIMEDOUT",
		follows: "the same", client: sawEnd, cause: "connect_timeout"},
	{call: "connect", scene: "a client comes, no batch", when: "1", errnos: "EADDRNOTAVAIL EAGAIN EADDRINUSE EPERM EACCES EAFNOSUPPORT ENOMEM ENOBUFS " + wrong,
		follows: "the next server is tried, no server is blamed", client: sawEnd, cause: "local"},
	{call: "getsockopt", scene: "a client comes", when: "1+", errnos: "ENOPROTOOPT ENOMEM " + wrong,
		follows: "of the listener, how many wait: one is accepted, the next in the next turn", client: isServed, cause: "client_fin"},
	{call: "io_uring_enter", scene: "a client comes", when: "1", errnos: "EINTR", raw: true,
		follows: "asked again", client: isServed, cause: "client_fin"},
	{call: "io_uring_enter", scene: "a client comes", when: "1+", errnos: "EAGAIN EBUSY ENOMEM EBADF EBADFD EBADR EFAULT EINVAL ENXIO EOPNOTSUPP EPERM", raw: true,
		follows: "connects and messages are made one by one", client: isServed, cause: "client_fin"},
	{call: "recvfrom", scene: "a request", when: "1", errnos: "EINTR",
		follows: "asked again", client: isServed, cause: "client_fin"},
	{call: "recvfrom", scene: "a request", when: "1", errnos: "ECONNRESET EPIPE ECONNREFUSED",
		follows: "the other side is told by RST", client: sawReset, cause: "client_reset"},
	{call: "recvfrom", scene: "a request", when: "1", errnos: "ETIMEDOUT EHOSTUNREACH ENETUNREACH EHOSTDOWN ENETDOWN",
		follows: "the same", client: sawReset, cause: "client_lost"},
	{call: "recvfrom", scene: "a request", when: "2", errnos: "ECONNRESET EPIPE ECONNREFUSED",
		follows: "the same, of the server", client: sawReset, cause: "server_reset"},
	{call: "recvfrom", scene: "a request", when: "2", errnos: "ETIMEDOUT EHOSTUNREACH ENETUNREACH EHOSTDOWN ENETDOWN",
		follows: "the same", client: sawReset, cause: "server_lost"},
	{call: "recvfrom", scene: "a request", when: "1", errnos: "ENOMEM ENOBUFS ENOTCONN " + wrong,
		follows: "both sides are told by RST", client: sawReset, cause: "local"},
	{call: "recvfrom", scene: "a request", when: "2", errnos: "ENOMEM ENOBUFS ENOTCONN " + wrong,
		follows: "the same", client: sawReset, cause: "local"},
	{call: "sendto", scene: "a request", when: "1", errnos: "EINTR",
		follows: "sent again", client: isServed, cause: "client_fin"},
	{call: "sendto", scene: "a request", when: "1", errnos: "ENOMEM ENOBUFS ENOTCONN EACCES EPERM EMSGSIZE EOPNOTSUPP EDESTADDRREQ EISCONN " + wrong,
		follows: "both sides are told by RST", client: sawReset, cause: "local"},
	{call: "sendto", scene: "a request", when: "2", errnos: "ENOMEM ENOBUFS ENOTCONN EACCES EPERM EMSGSIZE EOPNOTSUPP EDESTADDRREQ EISCONN " + wrong,
		follows: "the same", client: sawReset, cause: "local"},
	{call: "io_uring_enter", scene: "requests in one turn", when: "1", errnos: "EINTR", raw: true,
		follows: "sent again", client: isServed, cause: "client_fin"},
	{call: "io_uring_enter", scene: "requests in one turn", when: "1+", errnos: "EAGAIN EBUSY ENOMEM EBADF EBADFD EBADR EFAULT EINVAL ENXIO EOPNOTSUPP EPERM", raw: true,
		follows: "each is sent by itself", client: isServed, cause: "client_fin"},
	{call: "splice", scene: "a download", when: "1", errnos: "EINTR",
		follows: "asked again", client: isServed, cause: "client_fin"},
	{call: "splice", scene: "a download", when: "1", errnos: "ENOMEM EINVAL ESPIPE EBADF",
		follows: "into the pipe: the bytes are copied, after ENOMEM for a while, else to the end", client: isServed, cause: "client_fin"},
	{call: "splice", scene: "a download", when: "1+", errnos: "ENOMEM EINVAL",
		follows: "the same", client: isServed, cause: "client_fin"},
	{call: "splice", scene: "a download goes on", when: "1", errnos: "ENOMEM EINVAL ESPIPE EBADF",
		follows: "out of the pipe, whose bytes are lost: both sides are told by RST", client: sawReset, cause: "local"},
	{call: "pipe2", scene: "a download", when: "1+", errnos: "EMFILE ENFILE ENOMEM EFAULT EINVAL",
		follows: "the bytes are copied; the kernel is asked again after 64 full reads", client: isServed, cause: "client_fin"},
	{call: "fcntl", scene: "a download", when: "1", errnos: "EPERM EBUSY ENOMEM EINVAL EBADF",
		follows: "the pipe is used at the size it was born with", client: isServed, cause: "client_fin"},
	{call: "fcntl", scene: "a download", when: "1+", errnos: "EPERM EBUSY ENOMEM EINVAL EBADF",
		follows: "if its size cannot even be asked: as pipe2", client: isServed, cause: "client_fin"},
	{call: "shutdown", scene: "a half-close", when: "1", errnos: "EBADF EINVAL ENOTSOCK ENOBUFS",
		follows: "both sides are told by RST", client: sawReset, cause: "local"},
	{call: "getsockopt", scene: "a client that has ended resets", when: "1", errnos: wrong,
		follows: "the pending error cannot be asked after: the server is told by RST", client: sawReset, cause: "local"},
	{call: "ioctl", scene: "a server resets", when: "1+", errnos: "EBADF EFAULT EINVAL ENOTTY",
		follows: "what the client has not yet taken is not waited for", client: sawReset, cause: "server_reset"},
	{call: "setsockopt", scene: "a client that has ended resets", when: "1+", errnos: "ENOPROTOOPT " + wrong,
		follows: "the other side is told by FIN instead of RST", client: sawReset, cause: "client_reset"},
	{call: "close", scene: "a request", when: "1", errnos: "EIO EINTR EBADF ENOSPC EDQUOT",
		follows: "nothing: Linux has freed the number, and pen never closes it twice", client: isServed, cause: "client_fin", lost: 1},
	{call: "epoll_ctl", scene: "a client comes, no batch", when: "1", errnos: "ENOSPC ENOMEM EBADF EEXIST EINVAL EPERM",
		follows: "the server's socket cannot be waited for: the next server is tried, no server is blamed", client: sawEnd, cause: "local"},
	{call: "epoll_ctl", scene: "a client comes, no batch", when: "2", errnos: "ENOSPC ENOMEM EBADF EEXIST EINVAL EPERM",
		follows: "the client's socket cannot be waited for: both sides are told by RST", client: sawReset, cause: "local"},
	{call: "epoll_ctl", scene: "a client comes", when: "1..2", errnos: "ENOSPC ENOMEM EBADF EEXIST EINVAL EPERM", raw: true,
		follows: "the same, of either socket, when the batch has made the connect", client: sawReset, cause: "local"},
	{call: "epoll_ctl", scene: "a download comes to a stand", when: "1", errnos: "ENOMEM EBADF EINVAL ENOENT EPERM",
		follows: "the same", client: sawReset, cause: "local"},
	{call: "epoll_ctl", scene: "the limit is reached", when: "1", errnos: "EBADF ENOENT EINVAL ENOMEM EPERM",
		follows: "the listener cannot be put aside: tried again at the next event", client: isServed, cause: "client_fin"},
	{call: "epoll_ctl", scene: "there is room again", when: "1+", errnos: "ENOSPC ENOMEM EBADF EINVAL EPERM",
		follows: "the listener cannot be waited for: accepting rests", client: waited, cause: "client_fin"},
	{call: "epoll_wait,epoll_pwait", scene: "a client comes", when: "1..3", errnos: "EINTR",
		follows: "waited again", client: isServed, cause: "client_fin"},
	{call: "epoll_wait,epoll_pwait", scene: "a client comes, for as long as it lasts", when: "1+", errnos: wrong,
		follows: "logged; the loop rests for 100 ms, hears what it is told, and waits again", client: waited, cause: "client_fin"},
	{call: "timerfd_settime", scene: "an idle client", when: "1", errnos: "EBADF EFAULT EINVAL ECANCELED",
		follows: "logged; the next to need the clock sets it", client: sawEnd, cause: "idle"},
	{call: "timerfd_settime", scene: "a client comes after a rest", when: "1+", errnos: "EBADF EFAULT EINVAL ECANCELED",
		follows: "connections are carried; timeouts wait", client: isServed, cause: "client_fin"},
	{call: "read", scene: "an idle client", when: "1+", errnos: "EAGAIN EINTR EIO EBADF EFAULT EINVAL EISDIR",
		follows: "of the clock or the bell: the clock is set anew, the bell's count is not needed", client: sawEnd, cause: "idle"},
}

// refusal is errnos of a call that ends the start, or that it does without. The table is docs/reliability.md's as well.
type refusal struct {
	call    string
	errnos  string
	follows string
	starts  bool // nevertheless
	raw     bool // made by the raw poller only
}

var refusals = []refusal{
	{"socket", "EMFILE ENFILE ENOMEM ENOBUFS EACCES EPROTONOSUPPORT EINVAL", "no listener", false, false},
	{"setsockopt", "ENOPROTOOPT EPERM ENOMEM EBADF EINVAL", "no listener: what was asked of it at the start must be had", false, false},
	{"bind", "EADDRINUSE EADDRNOTAVAIL EACCES EBADF EINVAL ENOMEM", "no listener; for EADDRINUSE and EACCES the line says what helps", false, false},
	{"listen", "EADDRINUSE EBADF EOPNOTSUPP", "no listener", false, false},
	{"timerfd_create", "EMFILE ENFILE ENODEV ENOMEM EINVAL EPERM", "no loop", false, false},
	{"io_uring_setup", "EPERM ENOSYS EINVAL ENOMEM EMFILE ENFILE EFAULT", "logged; each message is sent by itself", true, true},
	{"io_uring_register", "EINVAL EPERM ENOMEM EBADF EBUSY EFAULT EOPNOTSUPP", "the same", true, true},
	{"fchmod", "EPERM EROFS EIO ENOMEM", "no control socket: it would not be private", false, false},
	{"renameat", "EACCES EBUSY EDQUOT EIO ENOENT ENOSPC EPERM EROFS", "no pid file", false, false},
	{"sched_setaffinity", "EINVAL EPERM EFAULT ESRCH", "logged; the loop is not pinned", true, false},
}

// line is the refusal's in the document.
func (r *refusal) line() string {
	end := "exit 1"
	if r.starts {
		end = "starts"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", r.call, r.errnos, r.follows, end)
}

// line is the fault's in the document.
func (f *fault) line() string {
	names := strings.ReplaceAll(f.call, ",", ", ")
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", names, f.scene, f.errnos, f.follows, f.cause)
}

// docs/reliability.md has the same tables.
func TestErrnoTable(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables := []string{"|---|---|---|---|---|\n", "|---|---|---|---|\n"}
	for i := range faults {
		tables[0] += faults[i].line()
	}
	for i := range refusals {
		tables[1] += refusals[i].line()
	}
	for _, table := range tables {
		if !strings.Contains(string(content), "|\n"+table+"\n") {
			t.Errorf("docs/reliability.md has another table of errnos than the tests, which is:\n%s", table)
		}
	}
}
