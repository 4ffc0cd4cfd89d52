package process

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

const (
	// notifyVariable names the service manager's socket: a path, or with an @ in front an abstract name (sd_notify(3)).
	notifyVariable = "NOTIFY_SOCKET"
	// notifyPatience bounds how long a word to a service manager that does not read may hold up who says it.
	notifyPatience = time.Second
	// stopMargin is asked for on top of the time for draining, to close what is left and to put everything away.
	stopMargin = 10 * time.Second
)

// Supervisor is the service manager that started this process and wants to hear how it does, by systemd's sd_notify protocol. A nil Supervisor takes every word and passes it to nobody.
// Its methods are safe for concurrent use. An error is for the log: whoever cannot be told of a service is no reason to end it.
type Supervisor struct {
	// constant after FindSupervisor
	conn     *net.UnixConn
	watchdog time.Duration // how often it has to hear that all is well, or it restarts the service; 0 = it does not ask
}

// FindSupervisor connects to the service manager that the environment names, nil if it names none, and takes the names out of the environment: they are meant for this process alone.
//
// The library would connect anew for each word. From inside a jail (-j) there would be no socket to connect to, so the connection is made here, before Drop, and kept.
func FindSupervisor() (*Supervisor, error) {
	path := os.Getenv(notifyVariable)
	if path == "" {
		return nil, nil
	}
	os.Unsetenv(notifyVariable)
	watchdog, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		return nil, fmt.Errorf("read how often the service manager wants to hear of us: %w", err)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("connect to the service manager: %w", err)
	}
	return &Supervisor{conn: conn, watchdog: watchdog}, nil
}

// Watchdog is how often the service manager has to hear Well or it takes the service for dead; 0: it does not ask.
func (s *Supervisor) Watchdog() time.Duration {
	if s == nil {
		return 0
	}
	return s.watchdog
}

// Ready says that the start, or a reload, is over. Status is one line for the operator.
func (s *Supervisor) Ready(status string) error {
	return s.say(daemon.SdNotifyReady, statusLine(status))
}

// Reloading says that a reload has begun; Ready ends it.
func (s *Supervisor) Reloading() error {
	if s == nil {
		return nil
	}
	return s.say(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec())) // the time tells the manager which of its requests this answers
}

// Stopping says that the service has begun to end, which may take as long as draining. Where that is longer than the manager would wait, it is asked to wait.
func (s *Supervisor) Stopping(drain time.Duration, status string) error {
	return s.say(daemon.SdNotifyStopping, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (drain+stopMargin).Microseconds()), statusLine(status))
}

// Well says that the service is alive, and how it does.
func (s *Supervisor) Well(status string) error {
	return s.say(daemon.SdNotifyWatchdog, statusLine(status))
}

// Close lets go of the service manager.
func (s *Supervisor) Close() error {
	if s == nil {
		return nil
	}
	return s.conn.Close()
}

// say sends one datagram of assignments.
func (s *Supervisor) say(assignments ...string) error {
	if s == nil {
		return nil
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(notifyPatience))
	if err == nil {
		_, err = s.conn.Write([]byte(strings.Join(assignments, "\n")))
	}
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

// statusLine keeps a status on its line.
func statusLine(status string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, status)
}
