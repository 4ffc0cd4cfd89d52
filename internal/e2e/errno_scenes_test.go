package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// heap is what an obedient server sends when told to, bytes: enough for pipes, and for every buffer on the way to fill.
const heap = 8 << 20

// obeyingLines says its name and then does what the client's lines say: down sends heap bytes, reset resets, hold takes no notice of anything until the channel is closed; any other line is sent back.
func obeyingLines(over <-chan struct{}) func(conn) error {
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
	"a client comes, no batch": {[]string{"--send-batch", "off"}, func(x *exam) string {
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
	"requests in one turn": {nil, func(x *exam) string {
		a, b := x.established(), x.established()
		x.arm()
		x.frozen(func() {
			io.WriteString(a, "of one\n")
			io.WriteString(b, "of the other\n")
		})
		for c, want := range map[*caller]string{a: "of one", b: "of the other"} {
			line, err := c.name(patience)
			if err != nil || line != want {
				return fmt.Sprintf("%q, %v", line, err)
			}
			c.Close()
		}
		return isServed
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

// newCaller is a client that has connected already.
func newCaller(c conn) *caller { return &caller{c, bufio.NewReader(c)} }
