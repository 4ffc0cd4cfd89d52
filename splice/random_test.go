package splice

import (
	"crypto/sha256"
	"fmt"
	"math/rand"
	"syscall"
	"testing"

	"pen/internal/sys"
)

// A stream goes through sender → pipe → receiver in random steps of random size: writes of 1 byte to 64 KiB, drains under random limits, pumps into a socket with a tiny send buffer,
// reads that lag behind, pipes given back and taken anew whenever they are empty. What arrives must be what was sent, to the byte, and Data must be right at every step.
func TestRandomStream(t *testing.T) {
	for _, transport := range transports {
		for _, pipeSize := range []int{4096, 64 << 10, 256 << 10} {
			for _, sendBuffer := range []int{1, 64 << 10} {
				t.Run(fmt.Sprintf("%s/pipe%d/sndbuf%d", transport.name, pipeSize, sendBuffer), func(t *testing.T) {
					t.Parallel()
					s := stream{t: t, random: rand.New(rand.NewSource(int64(pipeSize + sendBuffer))), pool: NewPool(1, pipeSize), in: transport.open(t), out: transport.open(t)}
					defer s.pool.Close()
					if err := syscall.SetsockoptInt(s.out.a, syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer); err != nil {
						t.Fatal(err)
					}
					s.run(min(512<<10, 64*pipeSize)) // a 4 KiB pipe has one slot: a byte at a time, often
					if s.partial == 0 && sendBuffer == 1 {
						t.Error("no pump left data inside: the receiver never lagged")
					}
				})
			}
		}
	}
}

// stream is one run: counts of the bytes that passed each station, in order of the journey.
type stream struct {
	t       *testing.T
	random  *rand.Rand
	pool    *Pool
	pipe    *Pipe // nil: given back
	in, out pair

	sent, drained, pumped, received int
	shut, eof, done                 bool
	pauses                          int // reads left out: the receiver lags
	partial                         int // pumps that left data inside
}

func (s *stream) run(total int) {
	digest, arrived := sha256.New(), sha256.New()
	block, buf := make([]byte, 64<<10), make([]byte, 64<<10)
	for stalled := 0; !s.done; stalled++ {
		before := s.sent + s.drained + s.pumped + s.received
		switch s.random.Intn(4) {
		case 0:
			s.write(block, total, digest.Write)
		case 1:
			s.drain()
		case 2:
			s.pump()
		case 3:
			s.read(buf, arrived.Write)
		}
		if s.pipe != nil && (s.pipe.Data != s.drained-s.pumped || s.pipe.Data > s.pipe.Size) {
			s.t.Fatalf("Data %d of %d after %d bytes in and %d out", s.pipe.Data, s.pipe.Size, s.drained, s.pumped)
		}
		if s.sent+s.drained+s.pumped+s.received != before {
			stalled = 0
		}
		if stalled > 1e6 {
			s.t.Fatalf("stalled: %d sent, %d drained, %d pumped, %d received", s.sent, s.drained, s.pumped, s.received)
		}
	}
	if s.received != total || string(digest.Sum(nil)) != string(arrived.Sum(nil)) {
		s.t.Fatalf("%d bytes of %d arrived, or not the same", s.received, total)
	}
	if s.pool.Open() != 1 || s.pool.Idle() != 1 {
		s.t.Fatalf("open %d, idle %d at the end, want 1 and 1", s.pool.Open(), s.pool.Idle())
	}
}

func (s *stream) write(block []byte, total int, digest func([]byte) (int, error)) {
	if s.shut {
		return
	}
	if s.sent == total {
		hangUp(s.t, s.in.a)
		s.shut = true
		return
	}
	p := block[:min(1+s.random.Intn(1<<s.random.Intn(17)), total-s.sent)]
	s.random.Read(p)
	n, errno := sys.Send(s.in.a, p)
	if errno != 0 && errno != syscall.EAGAIN {
		s.t.Fatal(errno)
	}
	digest(p[:n])
	s.sent += n
}

func (s *stream) drain() {
	if s.eof {
		return
	}
	if s.pipe == nil {
		s.pipe = get(s.t, s.pool)
	}
	limit := 1 + s.random.Intn(1<<s.random.Intn(20))
	n, errno := s.pipe.Drain(s.in.b, limit)
	if errno != 0 && errno != syscall.EAGAIN || n > limit {
		s.t.Fatalf("drain of at most %d: %d, %v", limit, n, errno)
	}
	s.eof = n == 0 && errno == 0
	if s.eof && (!s.shut || s.drained != s.sent) {
		s.t.Fatalf("end of file after %d of %d bytes, shut %v", s.drained, s.sent, s.shut)
	}
	s.drained += n
}

func (s *stream) pump() {
	if s.pipe == nil {
		return
	}
	n, errno := s.pipe.Pump(s.out.a)
	if errno != 0 && errno != syscall.EAGAIN {
		s.t.Fatal(errno)
	}
	s.pumped += n
	if s.pipe.Data > 0 {
		s.partial++
		return
	}
	s.pool.Put(s.pipe)
	s.pipe = nil
	if s.eof {
		hangUp(s.t, s.out.a)
	}
}

func (s *stream) read(buf []byte, digest func([]byte) (int, error)) {
	if s.pauses > 0 {
		s.pauses--
		return
	}
	if s.random.Intn(64) == 0 {
		s.pauses = s.random.Intn(1000)
	}
	n, errno := sys.Recv(s.out.b, buf[:1+s.random.Intn(len(buf))])
	if errno == syscall.EAGAIN {
		return
	}
	if errno != 0 {
		s.t.Fatal(errno)
	}
	digest(buf[:n])
	s.received += n
	s.done = n == 0
}
