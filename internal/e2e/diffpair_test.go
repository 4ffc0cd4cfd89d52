package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// debianPen is the oracle. It is run with -P, because its default poller does not fail over (PEN.md B1).
const debianPen = "/usr/bin/pen"

// farmAnswer follows a server's name.
const farmAnswer = "done\n"

// farmServer is a server for the two programs together. It can go down and come up again in the same place.
type farmServer struct {
	name, address string

	ln   net.Listener // nil: down
	done sync.WaitGroup
}

func (s *farmServer) up(t *testing.T) {
	t.Helper()
	if s.ln != nil {
		return
	}
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.ln = ln
	s.done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.answer(c) })
		}
	})
}

// answer says the name, and the rest when the request is there; then it waits for the other side's end.
func (s *farmServer) answer(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintln(c, s.name)
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\r\n" {
			break
		}
	}
	_, _ = io.WriteString(c, farmAnswer)
	_, _ = io.Copy(io.Discard, lines)
}

func (s *farmServer) downNow() {
	if s.ln == nil {
		return
	}
	syscall.ForkLock.RLock() // as in freeNow
	s.ln.Close()
	syscall.ForkLock.RUnlock()
	s.ln = nil
}

// contestant is one of the two under comparison, Debian's pen or ours.
type contestant struct {
	t       *testing.T
	address string
	control string // path of its control socket
	dir     string
	process
	ended chan struct{} // closed when it has
	log   *logBuffer
	stop  func()
	held  []*caller // by the number of the hold; nil: not served
}

// startOracle runs Debian's pen in the foreground until the end of the test.
func startOracle(t *testing.T, dir string, flags, servers []string) *contestant {
	t.Helper()
	return startPen(t, dir, fmt.Sprint("127.0.0.1:", freePort(t)), append([]string{"-P"}, flags...), servers)
}

// startPen is startOracle with all of its words. Unless they hold -u it opens no control port, as it would run as root.
func startPen(t *testing.T, dir, listen string, flags, servers []string) *contestant {
	t.Helper()
	c := &contestant{t: t, address: listen, control: filepath.Join(dir, "control"), dir: dir}
	words := append([]string{"-f", "-C", c.control}, flags...)
	words = append(append(words, c.address), servers...)
	cmd := exec.Command(debianPen, words...)
	out := &logBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Debian's pen (its package is pen): %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	c.process, c.ended, c.log = process(cmd.Process.Pid), ended, out
	c.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopLimit):
			t.Error("Debian's pen does not stop")
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("%s %s\n%s", debianPen, strings.Join(words, " "), out.tail())
		}
	})
	controlled := slices.Contains(flags, "-u") && !slices.Contains(flags, "-C")
	eventually(t, startLimit, "Debian's pen listens", func() bool {
		select {
		case <-ended:
			t.Fatal("Debian's pen ended at once")
		default:
		}
		return c.process.listens(c.address) && (!controlled || c.process.listens(c.control)) // which it opens last
	})
	t.Cleanup(c.release)
	return c
}

// startOurs runs ours with the same words.
func startOurs(t *testing.T, poller string, loops int, dir string, flags, servers []string) *contestant {
	t.Helper()
	c := &contestant{t: t, control: filepath.Join(dir, "control"), dir: dir}
	words := append([]string{"-C", c.control, "--loops", fmt.Sprint(loops)}, flags...)
	b := launch{poller: poller, flags: words, servers: servers}.start(t)
	c.address, c.process, c.ended, c.log = b.address, b.process, b.exited, b.log
	t.Cleanup(c.release)
	c.stop = sync.OnceFunc(func() {
		b.signal(syscall.SIGTERM)
		if code := b.wait(stopLimit); code != 0 {
			t.Errorf("ours ends with status %d", code)
		}
	})
	return c
}

// command sends one control command and returns the reply.
func (c *contestant) command(line string) string {
	c.t.Helper()
	reply, err := controlReply(c.control, line)
	if err != nil {
		c.t.Fatalf("control command %q: %v", line, err)
	}
	return reply
}

// controlReply sends a line to a control port, TCP or Unix, and returns what comes until the end.
func controlReply(to, line string) (string, error) {
	c, err := net.DialTimeout(network(to), to, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	_ = c.(conn).CloseWrite()
	reply, err := io.ReadAll(c)
	return string(reply), err
}

// visit is a client's session: connect, read the server's name, ask, read the rest. It stays open if held.
func (c *contestant) visit(client int, request string, hold bool) string {
	c.t.Helper()
	conn, err := connect(farmClient(client), c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	s := &caller{conn, bufio.NewReader(conn)}
	name := s.session(request)
	if name == "closed" {
		conn.Close()
		s = nil
	}
	if hold {
		c.held = append(c.held, s)
	} else if s != nil {
		s.hangUp()
	}
	return name
}

func (c *caller) session(request string) string {
	name, err := c.name(patience)
	if err != nil {
		if os.IsTimeout(err) {
			return "silence"
		}
		return "closed"
	}
	if _, err := io.WriteString(c, request); err != nil {
		return name + ": " + err.Error()
	}
	if line, err := c.name(patience); err != nil || line+"\n" != farmAnswer {
		return fmt.Sprint(name, ": ", line, err)
	}
	return name
}

// hangUp ends the client's half and waits for the other.
func (c *caller) hangUp() {
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c.lines)
	c.Close()
}

func (c *contestant) drop(hold int) {
	if s := c.held[hold]; s != nil {
		s.hangUp()
		c.held[hold] = nil
	}
}

// release ends what is still held.
func (c *contestant) release() {
	for i := range c.held {
		c.drop(i)
	}
}

// logLines are the lines of the access log, without the time. Pen writes it out only when it ends.
func (c *contestant) logLines() (lines []string) {
	content, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil {
		c.t.Error(err)
	}
	for line := range strings.Lines(string(content)) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(words) < 3 || !digits.MatchString(words[1]) {
			c.t.Errorf("log line %q is not CLIENT EPOCH SERVER REQUEST", line)
			continue
		}
		lines = append(lines, words[0]+" "+words[2])
	}
	return lines
}

var digits = regexp.MustCompile(`^\d+$`)

// written is what `write` makes, without the heading and, of ours, without what Pen does not save. The program's own paths are told alike.
func (c *contestant) written(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		c.t.Error(err)
	}
	text, _, _ := strings.Cut(string(content), "# what follows Pen does not save\n")
	lines := strings.SplitAfter(text, "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#") })
	return strings.ReplaceAll(strings.Join(lines, ""), c.dir, "DIR")
}
