package weblog

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// outputBuffer is the size of the buffer for what is written, in bytes.
const outputBuffer = 256 << 10

var errIncomplete = errors.New("the merged log is incomplete")

// clientFinder knows pen's log.
type clientFinder interface {
	// find is the client of a request that pen would have logged at a time, good until the next call. Nil: it is not known.
	find(server, request []byte, at int64) (client []byte)
	// file is the log that was opened first, and the one to tell about in the end.
	file() *logFile
}

// webLog is a web server's log.
type webLog struct {
	// constant after it was made
	*logFile
	index  int    // among the arguments
	text   string // the server, as it is written
	server []byte // the server, as it is found

	// owned by the merger
	line webLine
}

// forward reads up to the next line that is one.
func (w *webLog) forward() (ok bool) {
	for {
		line, ok := w.next()
		if !ok {
			return false
		}
		if w.line, ok = parseWebLine(line); ok {
			w.use(w.line.time)
			return true
		}
		w.leaveOut()
	}
}

// merger is mergelogs at work.
type merger struct {
	// constant after mergelogs
	options *mergeOptions
	clients clientFinder
	zone    *time.Location
	out     *bufio.Writer
	say     io.Writer // stderr

	// owned by run
	logs    []*webLog // with a line each, a heap: the one to be written next is the first
	stamp   string    // stamped as text
	stamped int64
}

// mergelogs opens everything before it writes anything. A log that cannot be read to its end is merged as far as it goes, and is an error in the end.
func mergelogs(o *mergeOptions, stdout, stderr io.Writer) error {
	var debug io.Writer
	if o.debug > 0 {
		debug = stderr
	}
	var logs []*webLog
	defer func() {
		for _, w := range logs {
			w.close()
		}
	}()
	for i, l := range o.logs {
		file, err := openLog(l.file, debug)
		if err != nil {
			return err
		}
		logs = append(logs, &webLog{logFile: file, index: i, text: l.server, server: appendServer(nil, []byte(l.server))})
	}
	pen, err := openLog(o.pen, debug)
	if err != nil {
		return err
	}
	defer pen.close()
	var clients clientFinder = newWindow(pen, o.jitter)
	if o.rescan {
		if clients, err = newRescan(pen); err != nil {
			return err
		}
	}
	m := &merger{options: o, clients: clients, zone: time.Local, out: bufio.NewWriterSize(stdout, outputBuffer), say: stderr}
	p := newProgress(stdout, stderr)
	p.watch(pen)
	for _, w := range logs {
		p.watch(w.logFile)
		if w.forward() {
			m.logs = append(m.logs, w)
		}
	}
	slices.SortFunc(m.logs, compare)
	err = m.run(p)
	p.end()
	whole := clients.file().tell(stderr)
	for _, w := range logs {
		whole = w.tell(stderr) && whole
	}
	if err == nil && !whole {
		return errIncomplete
	}
	return err
}

// run writes all lines.
func (m *merger) run(p *progress) error {
	for len(m.logs) > 0 {
		w := m.logs[0]
		if err := m.write(w); err != nil {
			return fmt.Errorf("write the merged log: %w", err)
		}
		if !w.forward() {
			last := len(m.logs) - 1
			m.logs[0] = m.logs[last]
			m.logs = m.logs[:last]
		}
		m.sink()
		p.tick()
	}
	if err := m.out.Flush(); err != nil {
		return fmt.Errorf("write the merged log: %w", err)
	}
	return nil
}

// write writes the line that a log is at. An error is of this line or of one before: that of a bufio.Writer stays.
func (m *merger) write(w *webLog) error {
	at := m.options.penTime(w.line.time, m.zone)
	if client := m.clients.find(w.server, w.line.request, at); client != nil {
		m.out.Write(client)
	} else {
		m.out.WriteString(w.text)
		if m.options.debug > 1 {
			fmt.Fprintf(m.say, "mergelogs: %s:%d: no client\n", w.name, w.number)
		}
	}
	if m.stamp == "" || m.stamped != w.line.time {
		m.stamped, m.stamp = w.line.time, time.Unix(w.line.time, 0).UTC().Format(stampLayout)
	}
	m.out.WriteByte(' ')
	m.out.Write(w.line.user)
	m.out.WriteByte('[')
	m.out.WriteString(m.stamp)
	m.out.WriteByte(']')
	m.out.Write(w.line.between)
	m.out.WriteByte('"')
	m.out.Write(w.line.request)
	m.out.WriteByte('"')
	m.out.Write(w.line.rest)
	return m.out.WriteByte('\n')
}

// compare says whose line is written first: the older one, or that of the log named first.
func compare(a, b *webLog) int {
	return cmp.Or(cmp.Compare(a.line.time, b.line.time), cmp.Compare(a.index, b.index))
}

// sink moves the first log to where it belongs in the heap.
func (m *merger) sink() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.logs); child++ {
			if compare(m.logs[child], m.logs[least]) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m.logs[i], m.logs[least] = m.logs[least], m.logs[i]
		i = least
	}
}
