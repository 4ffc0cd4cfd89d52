package splice

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"pen/internal/sys"
)

// BenchmarkRelay carries blocks over loopback TCP from one connection to another, by splice and by recv/send through one buffer, in one thread.
// Feeding and emptying the outer ends costs the same both ways; relay-ns/op is the time of the middle alone.
func BenchmarkRelay(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		for _, way := range []string{"copy", "splice"} {
			b.Run(fmt.Sprintf("%s/%dKiB", way, size>>10), func(b *testing.B) {
				r := relay{in: tcpPair(b), out: tcpPair(b), buf: make([]byte, 32<<10)}
				if way == "splice" {
					pool := NewPool(1, 256<<10)
					defer pool.Close()
					r.pipe = get(b, pool)
					defer pool.Put(r.pipe)
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					r.carry(b, size)
				}
				b.ReportMetric(float64(r.spent.Nanoseconds())/float64(b.N), "relay-ns/op")
			})
		}
	}
}

type relay struct {
	in, out pair
	buf     []byte
	tail    []byte // copied in and not yet out
	pipe    *Pipe  // nil: copy
	spent   time.Duration
}

var feed, sink [256 << 10]byte

// carry brings one block through: fed in pieces as the sockets take them, which for a small block is at once.
func (r *relay) carry(b *testing.B, size int) {
	for fed, got := 0, 0; got < size; {
		if fed < size {
			n, _ := sys.Send(r.in.a, feed[:min(size-fed, len(feed))])
			fed += n
		}
		start := time.Now()
		if r.pipe != nil {
			r.splice(b)
		} else {
			r.copy(b)
		}
		r.spent += time.Since(start)
		for got < size {
			n, errno := sys.Recv(r.out.b, sink[:])
			if errno != 0 {
				break
			}
			got += n
		}
	}
}

func (r *relay) splice(b *testing.B) {
	for {
		_, errno := r.pipe.Drain(r.in.b, 1<<20)
		if errno != 0 && errno != syscall.EAGAIN {
			b.Fatal(errno)
		}
		if r.pipe.Data == 0 {
			return
		}
		if _, errno := r.pipe.Pump(r.out.a); errno != 0 {
			return
		}
	}
}

func (r *relay) copy(b *testing.B) {
	for {
		if len(r.tail) == 0 {
			n, errno := sys.Recv(r.in.b, r.buf)
			if errno != 0 {
				return
			}
			r.tail = r.buf[:n]
		}
		n, errno := sys.Send(r.out.a, r.tail)
		if errno != 0 {
			return
		}
		r.tail = r.tail[n:]
	}
}
