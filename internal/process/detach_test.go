package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// socketVariable names the Unix socket on which a daemon, who has nothing else left, talks to the test.
const socketVariable = "PEN_PROCESS_TEST_SOCKET"

// patience bounds every wait for another process.
const patience = 10 * time.Second

func init() {
	detached := func(do func(b *Birth) int) func() int {
		return func() int {
			if !Detached() {
				return Detach("pen")
			}
			return do(Born("pen"))
		}
	}
	roles["ready"] = detached(becomeReady)
	roles["late"] = detached(becomeReadyLate)
	roles["fails"] = detached(func(b *Birth) int {
		fmt.Println(os.Getpid())
		return b.Failed(3, errors.New("listen *:80: address already in use\nand a second line"))
	})
	roles["killed"] = detached(func(*Birth) int {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	})
	roles["silent"] = detached(func(*Birth) int { return 0 })
	roles["speechless"] = detached(func(*Birth) int { return 5 })
	roles["foreground"] = func() int {
		b := Born("pen")
		if err := b.Ready(); err != nil {
			return 1
		}
		fmt.Println("still here")
		return b.Failed(4, errors.New("open log /x: permission denied"))
	}
	roles["detached?"] = func() int {
		fmt.Println(Detached())
		return 0
	}
}

// portrait is how a daemon looks from the inside.
type portrait struct {
	PID, Session int
	Streams      [3]string
	Directory    string
	Args         []string
	Marked       bool   // the variable is still there
	Line         bool   // the line is still open
	Err          string // of Ready
}

func paint() portrait {
	session, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	p := portrait{PID: os.Getpid(), Session: int(session), Args: os.Args[1:]}
	for fd := range p.Streams {
		p.Streams[fd], _ = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	}
	p.Directory, _ = os.Getwd()
	_, p.Marked = os.LookupEnv(lineVariable)
	for fd := 3; fd < 20; fd++ {
		to, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		p.Line = p.Line || strings.HasPrefix(to, "pipe:")
	}
	return p
}

func becomeReady(b *Birth) int {
	fmt.Println("plan: one loop")
	fmt.Fprintln(os.Stderr, "notice")
	err := b.Ready()
	fmt.Println("nobody hears this")
	p := paint()
	if err != nil {
		p.Err = err.Error()
	}
	conn, err := net.Dial("unix", os.Getenv(socketVariable))
	if err != nil {
		return 1
	}
	defer conn.Close()
	if json.NewEncoder(conn).Encode(p) != nil {
		return 1
	}
	return 0
}

// becomeReadyLate lets the test do something before it is ready.
func becomeReadyLate(b *Birth) int {
	conn, err := net.Dial("unix", os.Getenv(socketVariable))
	if err != nil {
		return 1
	}
	defer conn.Close()
	fmt.Fprintln(conn, "starting")
	bufio.NewReader(conn).ReadString('\n')
	fmt.Fprintln(conn, b.Ready())
	return 0
}

// meet listens for a daemon.
func meet(t *testing.T) (listener *net.UnixListener, env string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	listener.SetDeadline(time.Now().Add(patience))
	return listener, socketVariable + "=" + path
}

func accept(t *testing.T, listener *net.UnixListener) net.Conn {
	t.Helper()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func TestDetachReady(t *testing.T) {
	listener, env := meet(t)
	cmd := role(t, "ready", env)
	cmd.Dir = t.TempDir()
	// play returns only when nobody has our end of stdout and stderr any more: the daemon has let go of them.
	if got, want := play(t, cmd), (outcome{"plan: one loop\n", "notice\n", 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var p portrait
	if err := json.NewDecoder(accept(t, listener)).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.PID == cmd.Process.Pid || p.Session != p.PID {
		t.Errorf("process %d in session %d, started by %d: not a daemon", p.PID, p.Session, cmd.Process.Pid)
	}
	want := portrait{PID: p.PID, Session: p.PID, Directory: cmd.Dir, Args: []string{"-a", "b c"}, Streams: [3]string{"/dev/null", "/dev/null", "/dev/null"}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

// PEN.md 1.8: in daemon mode Pen had exited 0 before it tried to bind.
func TestDetachFailedStart(t *testing.T) {
	got := play(t, role(t, "fails"))
	if got.code != 3 || got.stderr != "pen: listen *:80: address already in use\nand a second line\n" {
		t.Errorf("got %+v", got)
	}
	pid, err := strconv.Atoi(lines(got.stdout)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the daemon %d is still there: %v", pid, err)
	}
}

func TestDetachSilentDeath(t *testing.T) {
	for name, want := range map[string]outcome{
		"killed":     {"", "pen: the daemon ended before it was ready: signal: killed\n", 128 + 9},
		"speechless": {"", "pen: the daemon ended before it was ready: exit status 5\n", 5},
		"silent":     {"", "pen: the daemon ended before it was ready: exit status 0\n", 1},
	} {
		if got := play(t, role(t, name)); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// An operator who interrupts the start does not want the daemon that comes of it.
func TestReadyWithoutParent(t *testing.T) {
	listener, env := meet(t)
	cmd := role(t, "late", env)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn := accept(t, listener)
	talk := bufio.NewReader(conn)
	if said, err := talk.ReadString('\n'); said != "starting\n" {
		t.Fatalf("said %q, %v", said, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	fmt.Fprintln(conn, "go on")
	if said, err := talk.ReadString('\n'); said != "tell the parent: broken pipe\n" {
		t.Errorf("said %q, %v", said, err)
	}
}

func TestBirthInTheForeground(t *testing.T) {
	got := play(t, role(t, "foreground"))
	if want := (outcome{"still here\n", "pen: open log /x: permission denied\n", 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDetachedBelievesOnlyAPipe(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hear, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hear.Close()
	defer say.Close()
	for _, test := range []struct {
		env  string
		file *os.File
		want string
	}{
		{lineVariable + "=1", say, "true\n"},
		{lineVariable + "=1", file, "false\n"},
		{lineVariable + "=1", nil, "false\n"},
		{lineVariable + "=", say, "false\n"},
	} {
		cmd := role(t, "detached?", test.env)
		if test.file != nil {
			cmd.ExtraFiles = []*os.File{test.file}
		}
		if got := play(t, cmd); got.stdout != test.want {
			t.Errorf("%s with %v: got %+v, want %s", test.env, test.file, got, test.want)
		}
	}
}
