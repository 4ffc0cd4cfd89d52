package process

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// manager listens as a service manager does and names itself in the environment.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return conn
}

// hear returns the next datagram.
func hear(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestSupervisorIsTold(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@pen-process-test"} {
		t.Run(name[:1], func(t *testing.T) {
			conn := manager(t, name)
			t.Setenv("WATCHDOG_USEC", "3000000")
			s, err := FindSupervisor()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := s.Watchdog(); got != 3*time.Second {
				t.Errorf("watchdog %v, want 3s", got)
			}
			for _, variable := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC"} {
				if value, ok := os.LookupEnv(variable); ok {
					t.Errorf("%s=%s is still there for other programs", variable, value)
				}
			}
			if strings.HasPrefix(name, "/") { // as behind a chroot: the name leads nowhere, the connection stays
				if err := os.Rename(name, name+".gone"); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range []struct {
				say  func() error
				want string
			}{
				{func() error { return s.Ready("up\nand so on") }, "^READY=1\nSTATUS=up and so on$"},
				{s.Reloading, "^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$"},
				{func() error { return s.Well("fine") }, "^WATCHDOG=1\nSTATUS=fine$"},
				{func() error { return s.Stopping(time.Minute, "draining") }, "^STOPPING=1\nEXTEND_TIMEOUT_USEC=70000000\nSTATUS=draining$"},
			} {
				if err := c.say(); err != nil {
					t.Fatal(err)
				}
				if got := hear(t, conn); !regexp.MustCompile(c.want).MatchString(got) {
					t.Errorf("heard %q, want %s", got, c.want)
				}
			}
		})
	}
}

// Nobody asked to hear of us: nothing is said, and nothing goes wrong.
func TestNoSupervisor(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s, err := FindSupervisor()
	if s != nil || err != nil {
		t.Fatalf("got %v, %v", s, err)
	}
	if err := errors.Join(s.Ready(""), s.Reloading(), s.Well(""), s.Stopping(0, ""), s.Close()); err != nil || s.Watchdog() != 0 {
		t.Error(err, s.Watchdog())
	}
}

func TestSupervisorThatIsNotThere(t *testing.T) {
	for variable, value := range map[string]string{"NOTIFY_SOCKET": "/nonexistent/notify", "WATCHDOG_USEC": "soon"} {
		t.Run(variable, func(t *testing.T) {
			manager(t, filepath.Join(t.TempDir(), "notify"))
			t.Setenv(variable, value)
			if s, err := FindSupervisor(); s != nil || err == nil || !strings.Contains(err.Error(), "service manager") {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}
}

// A service manager that does not read holds nobody up for longer than its time.
func TestSupervisorThatDoesNotRead(t *testing.T) {
	manager(t, filepath.Join(t.TempDir(), "notify"))
	s, err := FindSupervisor()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for began := time.Now(); err == nil; err = s.Well("fine") { // until its queue is full
		if time.Since(began) > patience {
			t.Fatal("the queue is never full")
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
