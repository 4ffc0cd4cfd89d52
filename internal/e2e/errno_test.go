package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// heap is what an obedient server sends when told to, bytes: enough for pipes, and for every buffer on the way to fill.
const heap = 8 << 20

// obedient says its name and then does what the client's lines say: down sends heap bytes, reset resets, hold takes no notice of anything until the channel is closed; any other line is sent back.
func obedient(over <-chan struct{}) func(conn) error {
	return func(c conn) error {
		caller := newCaller(c)
		fmt.Fprintln(c, "a")
		for {
			line, err := caller.lines.ReadString('\n')
			if err != nil {
				return nil
			}
			switch line {
			case "down\n":
				io.Copy(c, stream(1, heap))
			case "reset\n":
				reset(c)
				return nil
			case "hold\n":
				fmt.Fprintln(c, "holding")
				<-over
				return nil
			default:
				io.WriteString(c, line)
			}
		}
	}
}

// exam is a scene in which a call fails.
type exam struct {
	*balancer
	t      *testing.T
	fault  *fault
	errno  string
	thread int
	inj    *injector
	log    string // of endings
	before int    // endings in it that are not the scene's
}

// arm makes the call fail from here on.
func (x *exam) arm() { x.inj = inject(x.t, x.thread, x.fault.call, x.errno, x.fault.when) }

// disarm makes it work again, once it has failed.
func (x *exam) disarm() {
	x.t.Helper()
	for deadline := time.Now().Add(unserved); !x.failed() && time.Now().Before(deadline); {
		time.Sleep(pause)
	}
	if x.inj.end() == 0 {
		x.t.Errorf("the call was never made:\n%s", x.inj.text())
	}
}

func (x *exam) failed() bool { return strings.Contains(x.inj.text(), "(INJECTED)") }

// endings are the causes in the log, with their errors, in the order of the endings.
func (x *exam) endings() (causes []string) {
	content, _ := os.ReadFile(x.log)
	for text := range strings.Lines(string(content)) {
		var l struct{ Cause string }
		if json.Unmarshal([]byte(text), &l) == nil {
			causes = append(causes, l.Cause)
		}
	}
	return causes[min(x.before, len(causes)):]
}

// established is a client with its server.
func (x *exam) established() *caller {
	x.t.Helper()
	c := call(x.t, loopback(1), x.address)
	c.mustName(x.t)
	c.mustEcho(x.t)
	return c
}

// What a client sees of a scene.
const (
	isServed = "served" // all as it should be
	sawEnd   = "end"    // an end of file, and nothing before it
	sawReset = "reset"  // not the whole, and no end of file that could pass for it
	waited   = "waits"  // nothing, as long as the fault lasts; then it is served
)

// seen is what a client has seen when it asks for something.
func seen(err error) string {
	switch {
	case err == nil:
		return isServed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return sawEnd
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return sawReset
	}
	return err.Error()
}

// exchange sends a line and has it back.
func (c *caller) exchange() error {
	if _, err := io.WriteString(c, "line\n"); err != nil {
		return err
	}
	line, err := c.name(patience)
	if err == nil && line != "line" {
		err = fmt.Errorf("the echo is %q", line)
	}
	return err
}

// download asks for heap bytes and takes them, each held against what was sent.
func (c *caller) download() error {
	if _, err := io.WriteString(c, "down\n"); err != nil {
		return err
	}
	return same(c.lines, stream(1, heap), heap)
}

// same reads n bytes and compares them.
func same(got, want io.Reader, n int) error {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for n > 0 {
		piece := min(n, len(a))
		if _, err := io.ReadFull(got, a[:piece]); err != nil {
			return err
		}
		if _, err := io.ReadFull(want, b[:piece]); err != nil {
			return err
		}
		if !slices.Equal(a[:piece], b[:piece]) {
			return errors.New("other bytes than were sent")
		}
		n -= piece
	}
	return nil
}

// scenes are what goes on when a call fails. Each arms the fault at its moment, and returns what the client sees.
var scenes = map[string]struct {
	flags []string
	play  func(x *exam) string
}{
	"a client comes": {nil, func(x *exam) string {
		x.arm()
		return comes(x)
	}},
	"a client comes, source set": {[]string{"-O", "source 127.0.0.3"}, func(x *exam) string {
		x.arm()
		return comes(x)
	}},
	"a client comes, for as long as it lasts": {nil, func(x *exam) string {
		x.arm()
		c := call(x.t, loopback(1), x.address)
		if got, err := c.name(unserved); err == nil || !os.IsTimeout(err) {
			return fmt.Sprintf("%q, %v", got, err)
		}
		x.calm()
		x.disarm()
		c.mustName(x.t)
		c.Close()
		return waited
	}},
	"a request": {nil, func(x *exam) string {
		c := x.established()
		x.arm()
		err := c.exchange()
		c.Close()
		return seen(err)
	}},
	"a download": {nil, func(x *exam) string {
		c := x.established()
		x.arm()
		err := c.download()
		c.Close()
		return seen(err)
	}},
	"a download comes to a stand": {nil, func(x *exam) string {
		c := x.established()
		x.arm()
		if _, err := io.WriteString(c, "down\n"); err != nil {
			return err.Error()
		}
		eventually(x.t, patience, "the call fails", x.failed)
		err := same(c.lines, stream(1, heap), heap)
		c.Close()
		return seen(err)
	}},
	"a download goes on": {nil, func(x *exam) string {
		c := x.established()
		if _, err := io.WriteString(c, "down\n"); err != nil {
			return err.Error()
		}
		last := x.busy()
		eventually(x.t, patience, "the download stands", func() bool {
			before := last
			time.Sleep(20 * pause) // the measured time itself
			last = x.busy()
			return last-before < time.Millisecond
		})
		x.arm()
		err := same(c.lines, stream(1, heap), heap)
		c.Close()
		return seen(err)
	}},
	"a half-close": {nil, func(x *exam) string {
		c := x.established()
		x.arm()
		if err := c.CloseWrite(); err != nil {
			return err.Error()
		}
		_, err := c.lines.ReadByte()
		c.Close()
		if errors.Is(err, io.EOF) {
			return isServed
		}
		return seen(err)
	}},
	"a server resets": {nil, func(x *exam) string {
		c := x.established()
		x.arm()
		fmt.Fprintln(c, "reset")
		_, err := c.lines.ReadByte()
		c.Close()
		return seen(err)
	}},
	"a client that has ended resets": {nil, func(x *exam) string {
		c := x.established()
		fmt.Fprintln(c, "hold")
		if got, err := c.name(patience); got != "holding" {
			return fmt.Sprintf("%q, %v", got, err)
		}
		if err := c.CloseWrite(); err != nil {
			return err.Error()
		}
		x.arm()
		reset(c.conn)
		eventually(x.t, patience, "the connection is gone", func() bool { return x.sockets() <= x.idle })
		return sawReset
	}},
	"a client comes after a rest": {nil, func(x *exam) string {
		x.rest()
		x.arm()
		return comes(x)
	}},
	"the limit is reached": {[]string{"-x", "1"}, func(x *exam) string {
		inside := x.established()
		x.arm()
		c := call(x.t, loopback(2), x.address)
		if got, err := c.name(unserved); err == nil || !os.IsTimeout(err) {
			return fmt.Sprintf("%q, %v", got, err)
		}
		x.calm()
		inside.Close()
		c.mustName(x.t)
		c.Close()
		return isServed
	}},
	"there is room again": {[]string{"-x", "1"}, func(x *exam) string {
		inside := x.established()
		c := call(x.t, loopback(2), x.address)
		if got, err := c.name(unserved); err == nil || !os.IsTimeout(err) {
			return fmt.Sprintf("%q, %v", got, err)
		}
		x.arm()
		inside.Close()
		if got, err := c.name(2 * unserved); err == nil || !os.IsTimeout(err) {
			return fmt.Sprintf("%q, %v", got, err)
		}
		x.calm()
		x.disarm()
		c.mustName(x.t)
		c.Close()
		return waited
	}},
	"an idle client": {[]string{"--idle-timeout", "1"}, func(x *exam) string {
		x.rest()
		x.arm()
		c := call(x.t, loopback(1), x.address)
		c.mustName(x.t)
		c.mustEnd(x.t, 5*time.Second)
		c.Close()
		return sawEnd
	}},
}

// comes is a client that comes, hears the server's name and says something.
func comes(x *exam) string {
	made, err := connect(loopback(1), x.address)
	if err != nil { // it was reset before we looked
		return seen(err)
	}
	defer made.Close()
	c := newCaller(made)
	if _, err := c.name(patience); err != nil {
		return seen(err)
	}
	return seen(c.exchange())
}

// rest waits until the loop's timerfd is disarmed, as it is a second after the last client.
func (x *exam) rest() {
	x.t.Helper()
	mustVisit(x.t, loopback(4), x.address)
	eventually(x.t, patience, "the visit's ending is logged", func() bool { return len(x.endings()) > 0 })
	x.before = 1
	eventually(x.t, patience, "the clock stands", func() bool {
		names, _ := filepath.Glob(x.path("fdinfo/*"))
		return slices.ContainsFunc(names, func(name string) bool {
			content, _ := os.ReadFile(name)
			return strings.Contains(string(content), "it_interval: (0, 0)")
		})
	})
}

// calm fails the test if pen is busy while it can do nothing: what spins uses a whole CPU.
func (x *exam) calm() {
	x.t.Helper()
	window := time.Duration(sized(250, 2000)) * time.Millisecond
	const most = 0.05
	before := x.busy()
	time.Sleep(window) // the measured time itself
	if used := (x.busy() - before).Seconds() / window.Seconds(); used > most {
		x.t.Errorf("pen uses %.1f %% of a CPU", 100*used)
	}
}

// Every errno of every call that a loop makes ends in what the table says: no other cause, the process alive, the next client served, nothing left open. In short: of each row the first errno with
// one poller, the last with the other.
func TestEveryErrno(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for i := range faults {
			f := &faults[i]
			errnos := strings.Fields(f.errnos)
			switch {
			case full:
			case poller == "raw":
				errnos = errnos[:1]
			default:
				errnos = errnos[len(errnos)-1:]
			}
			for _, errno := range errnos {
				t.Run(fmt.Sprintf("%s %s %s %s", f.call, errno, f.when, f.scene), func(t *testing.T) {
					t.Parallel()
					f.examine(t, poller, errno)
				})
			}
		}
	})
}

func (f *fault) examine(t *testing.T, poller, errno string) {
	over := make(chan struct{})
	server := serve(t, "", obedient(over))
	t.Cleanup(func() { close(over) })
	log, scene, cpu := filepath.Join(openDir(t), "log"), scenes[f.scene], firstCPU()
	flags := append([]string{"--loops", "1", "--cpus", fmt.Sprint(cpu), "-l", log, "--log-format", "json"}, scene.flags...)
	b := launch{poller: poller, flags: flags, servers: []string{server.address}}.start(t)
	x := &exam{balancer: b, t: t, fault: f, errno: errno, thread: b.pinned(cpu), log: log}
	if got := scene.play(x); got != f.client {
		t.Errorf("the client sees %s, want %s", got, f.client)
	}
	eventually(t, patience, "the ending is logged", func() bool { return len(x.endings()) > 0 })
	x.disarm()
	if got := x.endings(); !slices.Contains(got, f.cause) {
		t.Errorf("ended as %v, want %s", got, f.cause)
	}
	b.idle += f.lost
	mustVisit(t, loopback(3), b.address)
	eventually(t, leakLimit, "nothing is left open", func() bool { return b.sockets() <= b.idle })
	if t.Failed() {
		t.Log(x.inj.text())
	}
}

// A call that is refused at the start ends it with one line that names what was wanted, and nothing is left behind; or the start does without.
func TestEveryErrnoAtTheStart(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		for _, r := range refusals {
			errnos := strings.Fields(r.errnos)
			if !full {
				errnos = errnos[:1]
			}
			for _, errno := range errnos {
				t.Run(r.call+" "+errno, func(t *testing.T) {
					t.Parallel()
					dir, trace := openDir(t), filepath.Join(t.TempDir(), "trace")
					_, servers := serveNamed(t, 1)
					l := launch{poller: poller, listen: filepath.Join(dir, "socket"), servers: servers,
						flags: []string{"--cpus", fmt.Sprint(firstCPU()), "-p", filepath.Join(dir, "pid")},
						under: []string{"strace", "-f", "--seccomp-bpf", "-qq", "-o", trace, "-e", "trace=" + r.call, "-e", fmt.Sprintf("inject=%s:error=%s", r.call, errno)}}
					if r.call == "setsockopt" { // Unix sockets are given no options
						l.listen = closedPort(t)
					}
					if r.starts {
						mustVisit(t, client(1, l.listen), l.start(t).address)
					} else {
						l.flags = append(l.flags, "-C", filepath.Join(dir, "control"))
						code, output := l.run(t, "-f")
						if code != failed || strings.Count(output, "\n") != 1 || !strings.HasPrefix(output, "pen: ") {
							t.Errorf("exit status %d, want %d and one line: %s", code, failed, output)
						}
						if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
							t.Errorf("left behind: %v, %v", left, err)
						}
					}
					if content, err := os.ReadFile(trace); err != nil || !strings.Contains(string(content), "(INJECTED)") {
						t.Errorf("the call was never made: %v", err)
					}
				})
			}
		}
	})
}

// newCaller is a client that has connected already.
func newCaller(c conn) *caller { return &caller{c, bufio.NewReader(c)} }
