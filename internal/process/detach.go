// Package process is pen's standing with the operating system: how it becomes a daemon, which descriptors, user and root directory it has, its pid file and where its log goes.
//
// The order at the start: Detach, Born, open everything, LookupUser, Logger, Drop, WritePidFile, Ready. The pid file is written behind Drop, as Pen does:
// inside the jail and as the user, because that is who has to remove it in the end.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

const (
	// lineVariable in the environment tells the daemon that lineFD is its line to the waiting parent.
	lineVariable = "PEN_DETACHED"
	lineFD       = 3 // the first of exec.Cmd.ExtraFiles

	ready  = "ready"
	failed = "failed" // " CODE\nTEXT" follow

	// maxLine bounds what the parent reads, in bytes.
	maxLine = 64 << 10

	// exitFailed is the status of a start that failed without a status of its own; signalBase is what a shell adds to a signal's number to make it one.
	exitFailed = 1
	signalBase = 128
)

// Detached says whether Detach started this process. If not, and a daemon is wanted, the thing to do is to Detach and to exit with its status.
func Detached() bool { return line() != nil }

// line is the pipe to the waiting parent, nil if there is none. The variable goes and the pipe is not inherited, so that no program started later takes itself for the daemon.
var line = sync.OnceValue(func() *os.File {
	if os.Getenv(lineVariable) == "" {
		return nil
	}
	os.Unsetenv(lineVariable)
	var stat syscall.Stat_t
	if err := syscall.Fstat(lineFD, &stat); err != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return nil // somebody else's variable
	}
	syscall.CloseOnExec(lineFD)
	return os.NewFile(lineFD, "line to the parent")
})

// Detach starts this program anew in the background, with the same arguments and in a session of its own, and waits until it is ready or has failed.
// The result is the exit status for the foreground process: 0 once the daemon is ready, else the daemon's own. An error has then been written to stderr, behind name.
//
// Go cannot fork, for only one of its threads would survive; hence a new process. It does the whole start itself, so that a port in use is this command's error and not a line in
// a log (PEN.md 1.8: Pen's exit status was 0 by then). The working directory stays: relative names on the command line (-p, Unix sockets) are read by the daemon and must mean the same to it.
func Detach(name string) int {
	code, err := detach()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	return code
}

func detach() (code int, err error) {
	if isPassed() {
		return exitFailed, errors.New("the service manager passes listeners to this process, and none to one in the background: give -f")
	}
	path, err := os.Executable()
	if err != nil {
		return exitFailed, fmt.Errorf("find our own program: %w", err)
	}
	hear, say, err := os.Pipe()
	if err != nil {
		return exitFailed, fmt.Errorf("open a line to the daemon: %w", err)
	}
	defer hear.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		say.Close()
		return exitFailed, err
	}
	daemon := exec.Command(path)
	daemon.Args = os.Args
	daemon.Env = append(os.Environ(), lineVariable+"=1")
	daemon.Stdin, daemon.Stdout, daemon.Stderr = null, os.Stdout, os.Stderr
	daemon.ExtraFiles = []*os.File{say}
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = daemon.Start()
	say.Close() // so that the daemon's end is the only one, and its death is our end of file
	null.Close()
	if err != nil {
		return exitFailed, fmt.Errorf("start the daemon: %w", err)
	}
	said, _ := io.ReadAll(io.LimitReader(hear, maxLine)) // an error in the middle is a daemon that did not say it is ready
	if string(said) == ready {
		return 0, daemon.Process.Release()
	}
	return afterlife(daemon, said)
}

// afterlife waits for a daemon that did not get ready to be gone, so that nothing of it is left when this command returns, and finds its status and its last words.
func afterlife(daemon *exec.Cmd, said []byte) (code int, err error) {
	head, text, _ := bytes.Cut(said, []byte("\n"))
	number, hasFailed := bytes.CutPrefix(head, []byte(failed+" "))
	ended := daemon.Wait()
	if hasFailed {
		if code, err = strconv.Atoi(string(number)); err == nil {
			return code, errors.New(string(text))
		}
	}
	code = exitFailed
	if status, ok := daemon.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = signalBase + int(status.Signal())
	} else if exited := daemon.ProcessState.ExitCode(); exited > 0 {
		code = exited
	}
	if ended == nil {
		ended = errors.New("exit status 0")
	}
	return code, fmt.Errorf("the daemon ended before it was ready: %w", ended)
}

// Birth is the start of a process that does the work: a daemon with a parent waiting for word of it, or a process in the foreground. It is used by one goroutine.
type Birth struct {
	// constant after Born
	name string
	line *os.File // nil in the foreground
}

// Born begins a start. Name stands before an error on stderr. In a daemon there is one Birth, which ends in Ready or in Failed.
func Born(name string) *Birth { return &Birth{name: name, line: line()} }

// KeepStdout returns standard output for a daemon whose work it is to write there: what Ready lets go of is the terminal's hold on it, not this. The caller closes it.
func (b *Birth) KeepStdout() (*os.File, error) {
	fd, err := syscall.Dup(syscall.Stdout)
	if err != nil {
		return nil, fmt.Errorf("keep standard output: %w", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "standard output"), nil
}

// Ready says that the start has succeeded. A daemon lets go of the terminal, that is, its standard streams become /dev/null, and its parent exits with 0;
// an error means that the parent is no more: the operator has given up on this start, and so should the daemon. In the foreground Ready does nothing.
func (b *Birth) Ready() error {
	if b.line == nil {
		return nil
	}
	// Detach made standard input /dev/null, open for reading and writing; inside a jail there would be no /dev/null to open.
	for _, stream := range []int{syscall.Stdout, syscall.Stderr} {
		if err := syscall.Dup3(syscall.Stdin, stream, 0); err != nil {
			return fmt.Errorf("let go of the terminal: %w", err)
		}
	}
	return b.say(ready)
}

// Failed says that the start has failed, and returns code for the exit. The error goes to stderr: from the foreground straight, from a daemon by way of its parent, who exits with code as well.
func (b *Birth) Failed(code int, err error) int {
	if b.line == nil || b.say(fmt.Sprintf("%s %d\n%v", failed, code, err)) != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", b.name, err)
	}
	return code
}

// say speaks the last words on the line.
func (b *Birth) say(words string) error {
	_, err := io.WriteString(b.line, words)
	if closed := b.line.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("tell the parent: %w", bare(err))
	}
	return nil
}
