package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxClients may talk to the port at once, so that it never needs more than so many descriptors and 16 KiB of memory each. More wait in the kernel's queue.
	maxClients = 256
	// largeReplies may be under way at once: the client table as text is a hundred bytes a client, and a slow reader makes it stay in memory.
	largeReplies = 4
	// retryAfter is the pause after a failed accept: what was short, such as descriptors, comes back. It doubles up to retryMost while it does not, and so do the pauses between the log's lines.
	retryAfter = 100 * time.Millisecond
	retryMost  = 16 * retryAfter
)

// ErrRoot says that a control port on TCP would be open to the commands of anybody with the rights of root. The text is Pen's.
var ErrRoot = errors.New("Won't open control port running as root; use -u to run as different user")

// Port is a control port. It has goroutines of its own and takes no lock that the traffic needs.
type Port struct {
	// constant after Open
	in       *Interpreter
	log      *slog.Logger
	listener net.Listener
	closed   chan struct{} // closed by Close
	places   chan struct{} // a client that is served has one element in it
	large    chan struct{} // a large reply that is under way has one element in it
	limits   limits

	shut    sync.Once
	running sync.WaitGroup // the clients

	mu sync.Mutex
	// guarded by mu
	clients map[*client]struct{}
}

// Open listens on [host:]port, or on the Unix socket whose path has a "/". Log may not be nil.
//
// As Pen does it refuses TCP with ErrRoot if asRoot, which says that the process is root and will stay it. A Unix socket has mode 0600 from the beginning;
// one that nobody listens on is replaced. The caller runs the port with Run or closes it.
func Open(address string, in *Interpreter, asRoot bool, log *slog.Logger) (*Port, error) {
	listener, err := listen(address, asRoot)
	if err != nil {
		return nil, err
	}
	return &Port{
		in: in, log: log, listener: listener, closed: make(chan struct{}),
		places: make(chan struct{}, maxClients), large: make(chan struct{}, largeReplies), clients: map[*client]struct{}{}, limits: usualLimits,
	}, nil
}

func listen(address string, asRoot bool) (net.Listener, error) {
	if strings.Contains(address, "/") {
		return listenUnix(address)
	}
	if asRoot {
		return nil, ErrRoot
	}
	host, port, err := splitListen(address)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// listenUnix sets the mode on the socket before it has a name, so that there is no moment at which others may connect.
func listenUnix(path string) (net.Listener, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	return private.Listen(context.Background(), "unix", path)
}

// clear removes a socket that nobody listens on any more.
func clear(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return nil // bind tells what is wrong with anything else
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(conn.Close(), &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: syscall.EADDRINUSE})
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}

// Addr is where the port listens.
func (p *Port) Addr() net.Addr { return p.listener.Addr() }

// Run serves until ctx ends or Close, and returns when every client is gone.
func (p *Port) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	rest := retryAfter
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			p.log.Warn("accept a control client", "error", err)
			if !p.pause(rest) {
				break
			}
			rest = min(2*rest, retryMost)
			continue
		}
		rest = retryAfter
		p.welcome(conn)
	}
	p.Close()
	p.running.Wait()
}

// Close closes the port and its clients. It may be called more than once and does not wait.
func (p *Port) Close() {
	p.shut.Do(func() {
		close(p.closed)
		if err := p.listener.Close(); err != nil {
			p.log.Warn("close the control port", "error", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.clients {
			c.conn.Close()
		}
	})
}

// pause waits and reports whether the port is still open.
func (p *Port) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.closed:
		return false
	}
}

// welcome starts to serve a client, once there is a place for it, unless the access list denies it.
func (p *Port) welcome(conn net.Conn) {
	if !p.permits(conn) {
		deny(conn)
		return
	}
	for !p.takePlace() {
		p.closeSilent()
		if !p.pause(retryAfter) {
			conn.Close()
			return
		}
	}
	c := newClient(p, conn)
	p.mu.Lock()
	p.clients[c] = struct{}{}
	p.mu.Unlock()
	p.running.Go(func() {
		c.serve()
		p.mu.Lock()
		delete(p.clients, c)
		p.mu.Unlock()
		conn.Close()
		<-p.places
	})
	select {
	case <-p.closed: // Close may have gone by before the client was on its list
		conn.Close()
	default:
	}
}

func (p *Port) takePlace() bool {
	select {
	case p.places <- struct{}{}:
		return true
	default:
		return false
	}
}

// closeSilent closes the client that has been silent for longest, if that is too long.
func (p *Port) closeSilent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*client
	for c := range p.clients {
		if since := c.silentSince.Load(); since != 0 && time.Since(time.Unix(0, since)) >= p.limits.patience {
			all = append(all, c)
		}
	}
	if len(all) > 0 {
		slices.MinFunc(all, func(a, b *client) int { return int(a.silentSince.Load() - b.silentSince.Load()) }).conn.Close()
	}
}

// permits holds a peer against the list of control_acl. Peers of a Unix socket are always permitted (PEN.md 1.16).
func (p *Port) permits(conn net.Conn) bool {
	s := p.in.state.Load()
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	return s.Plan.Lists.Match(s.ControlACL, from.Addr(), s.Plan.Countries).Permit
}

// deny closes without a byte, and with a reset, so that a client cannot take it for an empty reply.
func deny(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is only less plain
	}
	conn.Close()
}
