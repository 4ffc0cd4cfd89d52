package weblog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pipe is a log that is made while it is read: a named pipe, into which fill writes.
func pipe(t *testing.T, name string, fill func(w io.Writer) error) (path string, filled chan error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	filled = make(chan error, 1)
	go func() {
		filled <- func() error {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			w := bufio.NewWriterSize(file, lineLimit)
			return errors.Join(fill(w), w.Flush())
		}()
	}()
	return path, filled
}

// checker takes merged lines as they are written, and keeps none. Each must be of the client that its request names, and none earlier than the one before.
type checker struct {
	lines, wrong int
	writes       int
	wrongLine    string
	last         int64
	tail         []byte
	heap         uint64 // the most that was in use, of which some may be garbage
}

func (c *checker) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		if !whole {
			break
		}
		if len(c.tail) > 0 { // the line began in the write before
			line = append(c.tail, line...)
			c.tail = c.tail[:0]
		}
		c.check(line)
		p = rest
	}
	c.tail = append(c.tail, p...)
	if c.writes++; c.writes%8 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.heap = max(c.heap, m.HeapAlloc)
	}
	return n, nil
}

func (c *checker) check(line []byte) {
	c.lines++
	client, _, _ := bytes.Cut(line, space)
	w, ok := parseWebLine(line)
	if !ok || !bytes.HasSuffix(w.request, append([]byte("/"), client...)) || w.time < c.last {
		c.wrong++
		c.wrongLine = string(line[:min(len(line), 200)])
	}
	c.last = w.time
}

// 200 MB of logs go through in the memory that the window needs: 1200 seconds with 18 requests each.
func TestMergelogsStreamsInBoundedMemory(t *testing.T) {
	const (
		servers   = 3
		perSecond = 18
		requests  = 4000 * perSecond
		total     = 200_000_000
		memory    = 24_000_000
	)
	inZone(t, "UTC")
	rest := " 200 5 \"" + strings.Repeat("agent/1.0 ", 270) + "\"\n"
	client := func(i int) string { return fmt.Sprintf("10.0.%d.%d", i>>8&0xff, i&0xff) }
	request := func(i int) string { return fmt.Sprintf("GET /%d/%s", i, client(i)) }
	var made atomic.Int64
	var waits []chan error
	// start makes a log of every step-th request from the first on.
	start := func(name string, first, step int, line func(i int) string) string {
		path, filled := pipe(t, name, func(w io.Writer) error {
			for i := first; i < requests; i += step {
				n, err := io.WriteString(w, line(i))
				if err != nil {
					return err
				}
				made.Add(int64(n))
			}
			return nil
		})
		waits = append(waits, filled)
		return path
	}
	args := []string{"-p", start("pen.log", 0, 1, func(i int) string { return pen(client(i), i/perSecond, fmt.Sprint("s", i%servers), request(i)) })}
	for s := range servers {
		log := start("log", s, servers, func(i int) string {
			stamp := time.Unix(int64(1700000000+i/perSecond), 0).UTC().Format(stampLayout)
			return "127.0.0.1 - - [" + stamp + "] \"" + request(i) + "\"" + rest
		})
		args = append(args, fmt.Sprintf("s%d:%s", s, log))
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var out checker
	var errs bytes.Buffer
	status := Mergelogs(args, &out, &errs)
	for _, filled := range waits {
		if err := <-filled; err != nil {
			t.Error(err)
		}
	}
	if status != 0 || errs.Len() > 0 || out.wrong > 0 || out.lines != requests {
		t.Errorf("status %d, %q; %d lines, of which %d are wrong, like %s", status, &errs, out.lines, out.wrong, out.wrongLine)
	}
	if made.Load() < total {
		t.Errorf("only %d bytes of logs", made.Load())
	}
	used := int64(out.heap) - int64(before.HeapAlloc)
	if t.Logf("%d bytes of logs took %d bytes of memory", made.Load(), used); used > memory {
		t.Errorf("want at most %d", memory)
	}
}
