package splice

import (
	"bytes"
	"syscall"
	"testing"

	"pen/internal/sys"
)

// The peer does not read: the socket fills up, then the pipe, and nothing beyond is taken from the source.
func TestFullPipe(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			p, in, out := pool(t, 1, 16<<10), transport.open(t), transport.open(t)
			pipe := get(t, p)
			stuffed := stuff(t, out.a)
			sendAll(t, in.a, bytes.Repeat([]byte("0123456789abcdef"), 2048)) // 32 KiB, as pages
			hangUp(t, in.a)

			for pipe.Data < pipe.Size {
				_, errno := pipe.Drain(in.b, 1<<20)
				if errno == syscall.EAGAIN && pipe.Data > 0 {
					break // no slot left
				}
				if errno != 0 && errno != syscall.EAGAIN {
					t.Fatal(errno)
				}
			}
			held := pipe.Data
			if held == 0 || held > pipe.Size {
				t.Fatalf("Data %d of %d", held, pipe.Size)
			}
			for range 3 {
				if n, errno := pipe.Drain(in.b, 1<<20); n != 0 || errno != syscall.EAGAIN {
					t.Fatalf("drain into a full pipe: %d, %v; want EAGAIN, and never end of file", n, errno)
				}
				if n, errno := pipe.Pump(out.a); n != 0 || errno != syscall.EAGAIN || pipe.Data != held {
					t.Fatalf("pump into a full socket: %d, %v, Data %d", n, errno, pipe.Data)
				}
			}

			recvAll(t, out.b, stuffed)
			got := relayRest(t, pipe, in.b, out)
			if want := bytes.Repeat([]byte("0123456789abcdef"), 2048); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes arrived, want %d the same", len(got), len(want))
			}
			p.Put(pipe)
		})
	}
}

// relayRest carries everything up to the end of file of src through to out.a and returns what out.b read of it. It follows the rules of the package comment.
func relayRest(t *testing.T, pipe *Pipe, src int, out pair) (got []byte) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for eof := false; !eof || pipe.Data > 0; {
		wasEmpty := pipe.Data == 0
		if !eof {
			n, errno := pipe.Drain(src, 1<<20)
			switch {
			case errno == syscall.EAGAIN && wasEmpty:
				await(t, src, sys.In)
			case errno == 0 && n == 0:
				eof = true
			case errno != 0 && errno != syscall.EAGAIN:
				t.Fatal(errno)
			}
		}
		if _, errno := pipe.Pump(out.a); errno != 0 && errno != syscall.EAGAIN {
			t.Fatal(errno)
		}
		for {
			n, errno := sys.Recv(out.b, buf)
			if errno != 0 {
				break
			}
			got = append(got, buf[:n]...)
		}
	}
	hangUp(t, out.a)
	for {
		n, errno := sys.Recv(out.b, buf)
		if errno == syscall.EAGAIN {
			await(t, out.b, sys.In)
			continue
		}
		if errno != 0 {
			t.Fatal(errno)
		}
		if n == 0 {
			return got
		}
		got = append(got, buf[:n]...)
	}
}

// A slot can hold more than a page, so the kernel would take more bytes than the pipe's size; Drain does not ask for them.
func TestNeverMoreThanSize(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			p, in := pool(t, 1, 16<<10), transport.open(t)
			pipe := get(t, p)
			sendAll(t, in.a, make([]byte, 64<<10))
			drain(t, pipe, in.b, 8<<10)
			for errno := syscall.Errno(0); errno == 0; {
				room, n := pipe.Size-pipe.Data, 0
				if n, errno = pipe.Drain(in.b, 1<<20); n > room || pipe.Data > pipe.Size {
					t.Fatalf("drain of %d bytes into room for %d; Data %d of %d", n, room, pipe.Data, pipe.Size)
				}
			}
			p.Put(pipe)
		})
	}
}

// A pipe is full by slots long before it is full by bytes: every message of a Unix socket takes one. EAGAIN then comes from a socket that has data.
func TestFullBySlots(t *testing.T) {
	p, in, out, ended := pool(t, 1, 4096), unixPair(t), unixPair(t), unixPair(t)
	hangUp(t, ended.a)
	pipe := get(t, p)
	for range 3 {
		sendAll(t, in.a, make([]byte, 100))
	}
	if n, errno := pipe.Drain(in.b, 1<<20); n != 100 || errno != 0 {
		t.Fatalf("first drain: %d, %v; want the 100 bytes the one slot holds", n, errno)
	}
	if n, errno := pipe.Drain(in.b, 1<<20); n != 0 || errno != syscall.EAGAIN {
		t.Fatalf("second drain: %d, %v; want EAGAIN from the pipe, with %d of %d bytes inside", n, errno, pipe.Data, pipe.Size)
	}
	if n, errno := pipe.Drain(ended.b, 1<<20); n != 0 || errno != syscall.EAGAIN {
		t.Fatalf("drain of a socket at its end: %d, %v; want EAGAIN, since the pipe has no slot to look through", n, errno)
	}
	if n, errno := pipe.Pump(out.a); n != 100 || errno != 0 {
		t.Fatalf("pump: %d, %v", n, errno)
	}
	if n, errno := pipe.Drain(in.b, 1<<20); n != 100 || errno != 0 {
		t.Fatalf("drain after the pump: %d, %v; want the next 100 bytes", n, errno)
	}
	p.Put(pipe)
}
