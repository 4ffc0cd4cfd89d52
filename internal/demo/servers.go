package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// serverCount is how many web servers stand behind the balancer. A server's number, 1 to serverCount, is what a client's requests are tallied by; 0 stands for no server.
const serverCount = 3

// server is one web server that can be killed and started again on its port. Start, Kill and Close are called by one goroutine.
type server struct {
	// constant after open
	name string
	addr string // host:port
	hold int    // a bound socket that never listens: it keeps the port from being handed out while the server is dead
	// owned by the caller of Start, Kill and Close
	http   *http.Server  // nil while dead
	served chan struct{} // closed when the accept loop has returned
	closed bool
	// atomic: the handlers
	requests atomic.Int64
}

func openServers() (servers []*server, err error) {
	defer func() {
		if err != nil {
			closeServers(servers)
			servers = nil
		}
	}()
	for n := range serverCount {
		s, err := openServer("web" + strconv.Itoa(n+1))
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func closeServers(servers []*server) {
	for _, s := range servers {
		s.Close()
	}
}

func openServer(name string) (*server, error) {
	hold, addr, err := holdPort()
	if err != nil {
		return nil, fmt.Errorf("reserve a port for %s: %w", name, err)
	}
	s := &server{name: name, addr: addr, hold: hold}
	if err := s.Start(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// holdPort binds a port of 127.0.0.1 without listening on it. Connecting to it is refused, as a dead server's port should be. Without it, the kernel might give a dead server's
// port to an outgoing connection: then the server could not return, or a health check of the dead server could meet itself and pass.
func holdPort() (fd int, addr string, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, "", err
	}
	defer func() {
		if err != nil {
			syscall.Close(fd)
		}
	}()
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, "", err
	}
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, "", err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, "", err
	}
	return fd, net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port)), nil
}

// Start listens and serves until Kill.
func (s *server) Start() error {
	l, err := net.Listen("tcp4", s.addr)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.answer)
	mux.HandleFunc("/big", s.answerBig)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	s.http, s.served = srv, served
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	return nil
}

// Kill closes the listener and every connection at once: nothing is finished first.
func (s *server) Kill() {
	if s.http == nil {
		return
	}
	s.http.Close()
	<-s.served
	s.http = nil
}

// Close kills the server and gives its port back. It may be called again.
func (s *server) Close() {
	s.Kill()
	if !s.closed {
		syscall.Close(s.hold)
		s.closed = true
	}
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	n := s.requests.Add(1)
	fmt.Fprintf(w, "%s saw %s, request %d\n", s.name, r.RemoteAddr, n)
}

// serverNumber reads the number from the beginning of an answer; 0 if there is none.
func serverNumber(answer string) int {
	var n int
	if _, err := fmt.Sscanf(answer, "web%d saw", &n); err != nil || n < 1 || n > serverCount {
		return 0
	}
	return n
}

func (s *server) answerBig(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	if err != nil || n < 0 {
		http.Error(w, "bytes: a number is expected, as in /big?bytes=1000000", http.StatusBadRequest)
		return
	}
	s.requests.Add(1)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	writeBig(w, n)
}

// blockSize is the period of the large answer. It is prime, so that a lost or doubled piece of any buffer's or pipe's size cannot go unseen.
const blockSize = 1_000_003

var block = sync.OnceValue(func() []byte {
	p := make([]byte, blockSize)
	rand.NewChaCha8([32]byte{}).Read(p) // documented never to fail
	return p
})

// writeBig writes the n bytes that /big?bytes=n consists of.
func writeBig(w io.Writer, n int64) error {
	for n > 0 {
		k, err := w.Write(block()[:min(n, blockSize)])
		if err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}

// bigSum returns the SHA-256 of /big?bytes=n in hex, or the error that ended ctx.
func bigSum(ctx context.Context, n int64) (string, error) {
	h := sha256.New()
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		k := min(n, blockSize)
		h.Write(block()[:k])
		n -= k
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
