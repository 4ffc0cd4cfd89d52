package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Exit statuses of Ctl.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64 // sysexits.h EX_USAGE. Pen's penctl exits with 0
)

// ctlTimeout is how long Ctl waits for the next bytes of a reply; a command may be held up by a name look-up and by others before it.
const ctlTimeout = time.Minute

// Ctl is penctl: it sends one command to the control port of a pen, prints the reply, and returns the exit status. args are ADDR and the words of the command;
// ADDR is host:port, [v6]:port, or the path of a Unix socket. A command that failed gives status 1 and the reason on stderr, if the server is ours: Pen does not tell.
func Ctl(args []string, stdout, stderr io.Writer) int {
	if len(args) < 2 {
		fmt.Fprintln(stderr, "usage: penctl host:port command")
		return exitUsage
	}
	if err := ctl(args[0], strings.Join(args[1:], " "), stdout); err != nil {
		fmt.Fprintf(stderr, "penctl: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// ctl returns what went wrong, be it on the way or there.
func ctl(address, command string, stdout io.Writer) error {
	if len(command) > maxLine-1 {
		return errors.New("Overlong argument list")
	}
	conn, err := dial(address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ask(conn, command); err != nil {
		return fmt.Errorf("write to %s: %w", address, err)
	}
	verdict, err := copyReply(stdout, conn)
	switch {
	case err != nil:
		return fmt.Errorf("read the reply of %s: %w", address, err)
	case verdict != "" && verdict != verdictOK:
		return errors.New(verdict)
	}
	return nil
}

func dial(address string) (net.Conn, error) {
	if strings.Contains(address, "/") {
		conn, err := net.DialTimeout("unix", address, ctlTimeout)
		return conn, wrapDial(err)
	}
	if !strings.Contains(address, ":") {
		return nil, errors.New("no port given")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil { // an IPv6 address without brackets, as Pen's penctl takes it
		i := strings.LastIndexByte(address, ':')
		host, port = address[:i], address[i+1:]
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), ctlTimeout)
	return conn, wrapDial(err)
}

func wrapDial(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("error connecting to server: %w", err)
}

// ask sends the command and, in the same write, the query for the verdict, which Pen drops: it reads once, and takes the first line.
// Together they are no longer than what Pen reads at once, or Pen's close would be a reset; a command that leaves no room goes without the query.
func ask(conn net.Conn, command string) error {
	text := command + "\n"
	if query := verdictQuery + "\n"; len(text)+len(query) <= maxLine {
		text += query
	}
	if err := conn.SetDeadline(time.Now().Add(ctlTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	err := conn.(interface{ CloseWrite() error }).CloseWrite()
	if errors.Is(err, syscall.ENOTCONN) { // the server has closed already: what it said is still to be read
		return nil
	}
	return err
}

// copyReply copies the reply to stdout as it comes, and returns the verdict that follows it, "" if there is none.
func copyReply(stdout io.Writer, conn net.Conn) (verdict string, err error) {
	buf := make([]byte, 32<<10)
	var after strings.Builder
	judged := false
	for {
		if err := conn.SetReadDeadline(time.Now().Add(ctlTimeout)); err != nil {
			return "", err
		}
		n, err := conn.Read(buf)
		text := string(buf[:n])
		if !judged {
			var reply string
			reply, text, judged = strings.Cut(text, verdictMark)
			if _, err := io.WriteString(stdout, reply); err != nil {
				return "", err
			}
		}
		if judged {
			after.WriteString(text)
		}
		switch {
		case err == io.EOF:
			return strings.TrimSuffix(after.String(), "\n"), nil
		case err != nil:
			return "", err
		}
	}
}
