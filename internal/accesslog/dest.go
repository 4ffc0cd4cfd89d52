package accesslog

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The destinations of a log that are words. A file of such a name is ./NAME.
const (
	toSyslog  = "syslog"
	toJournal = "journald"
)

var toStderr = []string{"stderr", "-"}

// Where the system takes log lines; in a jail, the jail's.
const (
	syslogSocket  = "/dev/log"
	journalSocket = "/run/systemd/journal/socket"
)

// IsStderr says whether a log goes to standard error.
func IsStderr(dest string) bool { return slices.Contains(toStderr, dest) }

// IsFile says whether a log goes to a file, a named pipe among them.
func IsFile(dest string) bool {
	return !isNetwork(dest) && !IsStderr(dest) && dest != toSyslog && dest != toJournal
}

// isNetwork tells a collector from a file as Pen does.
func isNetwork(dest string) bool { return strings.Contains(dest, ":") && !strings.HasPrefix(dest, "/") }

func openSink(dest string) (sink, error) {
	switch {
	case IsStderr(dest):
		return &file{outlet: stderr{os.Stderr}, shown: true}, nil
	case dest == toSyslog:
		return openLocal(syslogSocket, syslogFrame)
	case dest == toJournal:
		return openLocal(journalSocket, journalFrame)
	case isNetwork(dest):
		host, port, err := net.SplitHostPort(dest)
		if err != nil { // an IPv6 host without brackets
			at := strings.LastIndexByte(dest, ':')
			host, port = dest[:at], dest[at+1:]
		}
		conn, err := net.Dial("udp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, err
		}
		return &collector{outlet: conn}, nil
	}
	// Not blocking: a named pipe whose reader has stopped can then be given up at Close. Regular files do not care.
	f, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	return &file{outlet: f}, nil
}

// atomicWrite is how much a pipe takes in one piece (PIPE_BUF): the process's own log writes to the same standard error, and no line is to stand in another.
const atomicWrite = 4096

// stderr is standard error, which is not ours to close.
type stderr struct{ *os.File }

// Close implements outlet.
func (stderr) Close() error { return nil }

// frame puts a line, without its newline, into the datagram that somebody wants.
type frame func(b, text []byte) []byte

// syslogFrame is what log/syslog sends to a local syslog, for the facility of the process's own log (user) and the severity info.
func syslogFrame(b, text []byte) []byte {
	b = append(b, "<14>"...)
	b = time.Now().AppendFormat(b, "Jan _2 15:04:05")
	return append(fmt.Appendf(b, " pen[%d]: ", os.Getpid()), text...)
}

// journalFrame is systemd's native protocol: a field a line (systemd.io/JOURNAL_NATIVE_PROTOCOL).
func journalFrame(b, text []byte) []byte {
	b = fmt.Appendf(b, "PRIORITY=6\nSYSLOG_IDENTIFIER=pen\nSYSLOG_PID=%d\nMESSAGE=", os.Getpid())
	return append(append(b, text...), '\n')
}
