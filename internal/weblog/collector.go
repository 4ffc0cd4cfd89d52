package weblog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

const (
	// datagramLimit is the room for a datagram, in bytes: more than UDP can carry.
	datagramLimit = 64 << 10
	// receiveBuffer is what the kernel is asked to keep while a line is being written, in bytes. It gives no more than net.core.rmem_max.
	receiveBuffer = 4 << 20
	// shownBytes is how much of a refused line is told.
	shownBytes = 200
)

// Collector is a running penlogd. Its life is NewCollector, OpenLog, Serve, Close, by one goroutine; root and the terminal are given up before and behind OpenLog.
type Collector struct {
	// constant after NewCollector
	conn    *net.UDPConn
	log     *slog.Logger
	signals chan os.Signal
	path    string // of the log file, "": standard output
	records int    // how many are kept
	output  output

	// owned by Serve's reader
	recent *recent
	server []byte // the address last made
	line   []byte // the line last made
}

// NewCollector opens the port. Stdout is where the lines go if the options name no log file; log gets everything else, and must not block.
func NewCollector(o *PenlogdOptions, stdout io.Writer, log *slog.Logger) (*Collector, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: o.Port})
	if err != nil {
		return nil, fmt.Errorf("open port %d: %w", o.Port, err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		log.Debug("ask for a receive buffer", "bytes", receiveBuffer, "error", err)
	}
	c := &Collector{
		conn: conn, log: log, signals: make(chan os.Signal, 8), path: o.LogFile, records: o.Records,
		output: output{w: stdout}, recent: newRecent(),
	}
	signal.Notify(c.signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	return c, nil
}

// OpenLog opens the log file, inside the jail and as the user there are by then, so that it can be opened again in the same way. It is made if it is not there.
func (c *Collector) OpenLog() error {
	if c.path == "" {
		return nil
	}
	return c.output.open(c.path)
}

// Serve works until it is told to stop, which is no error.
func (c *Collector) Serve() error {
	ended := make(chan error, 1)
	go func() { ended <- c.routineReceive() }()
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-c.signals:
			if sig != syscall.SIGHUP {
				c.conn.Close()
				<-ended
				return nil
			}
			if err := c.OpenLog(); err != nil {
				c.log.Warn("the old log file stays in use", "error", err)
			} else {
				c.log.Debug("log file opened again", "path", c.path)
			}
		}
	}
}

// Close puts away what NewCollector and OpenLog opened.
func (c *Collector) Close() error {
	signal.Stop(c.signals)
	c.conn.Close() // Serve may have done it
	return c.output.close()
}

func (c *Collector) routineReceive() error {
	datagram := make([]byte, datagramLimit)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(datagram)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		addr := from.Addr().Unmap()
		for line := range bytes.SplitSeq(datagram[:n], []byte("\n")) {
			switch {
			case len(line) == 0:
			case line[0] == '+':
				c.remember(addr, line)
			default:
				c.rewrite(addr, line)
			}
		}
	}
}

// remember keeps one of pen's records. PEN.md B19: whatever stands where the server's address should be, nothing is looked up and nothing breaks.
func (c *Collector) remember(from netip.Addr, line []byte) {
	p, ok := parsePenDatagram(line)
	if !ok {
		c.log.Warn("discarding bogus pen line", "from", from, "line", shown(line))
		return
	}
	server, err := netip.ParseAddr(string(p.server))
	if err != nil || !p.usable() {
		c.log.Debug("pen line of no use", "from", from, "line", shown(line))
		return
	}
	if c.recent.count == c.records {
		c.recent.drop()
	}
	c.server = appendAddr(c.server[:0], server)
	c.recent.use(c.server, p.request)
	c.recent.add(0, p.client)
}

// rewrite writes a web server's line, with the real client's address if there is a record. The client is what stands before the first space.
func (c *Collector) rewrite(from netip.Addr, line []byte) {
	request, ok := quoted(line)
	if !ok {
		c.log.Warn("bogus web line", "from", from, "line", shown(line))
		return
	}
	c.line = c.line[:0]
	c.server = appendAddr(c.server[:0], from)
	if at, ok := c.recent.match(c.server, request, c.recent.find); ok {
		if i := bytes.IndexByte(line, ' '); i >= 0 {
			c.line = append(c.line, c.recent.client(at)...)
			line = line[i:]
		}
	} else {
		c.log.Debug("no record", "from", from, "request", shown(request))
	}
	c.line = append(append(c.line, line...), '\n')
	c.output.write(c.line, c.log)
}

func shown(line []byte) string { return string(line[:min(len(line), shownBytes)]) }

// output is where penlogd's lines go. Nothing is kept back: what has been received can be read. Safe for concurrent use.
type output struct {
	mu sync.Mutex

	// guarded by mu
	w    io.Writer
	file *os.File // w, if it is ours to close
	lost int      // lines since writing began to fail
}

// open appends to a file from now on. After an error everything is as before.
func (o *output) open(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	o.mu.Lock()
	old := o.file
	o.w, o.file = file, file
	o.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return nil
}

// write writes a line. One that cannot be written is lost; that is said when it begins and when it ends, for a full disk must not fill another log.
func (o *output) write(line []byte, log *slog.Logger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.w.Write(line)
	switch {
	case err != nil:
		if o.lost++; o.lost == 1 {
			log.Warn("lines are being lost", "error", err)
		}
	case o.lost > 0:
		log.Warn("lines are written again", "lost", o.lost)
		o.lost = 0
	}
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}
