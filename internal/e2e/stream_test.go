package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// stream is n pseudo-random bytes, the same for the same seed, so that a receiver can know them without having been sent them another way.
func stream(seed uint64, n int64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return io.LimitReader(rand.NewChaCha8(key), n)
}

// send writes the stream in pieces of 64 KiB.
func send(w io.Writer, seed uint64, n int64) error {
	if _, err := io.CopyBuffer(w, stream(seed, n), make([]byte, 64<<10)); err != nil {
		return fmt.Errorf("send %d bytes: %w", n, err)
	}
	return nil
}

// receive reads to the end and compares count and SHA-256 with those of the stream.
func receive(r io.Reader, seed uint64, n int64) error {
	got := sha256.New()
	have, err := io.CopyBuffer(got, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if err != nil {
		return fmt.Errorf("receive: %w after %d of %d bytes", err, have, n)
	}
	want := sha256.New()
	_, _ = io.Copy(want, stream(seed, n))
	switch {
	case have != n:
		return fmt.Errorf("received %d bytes, sent were %d", have, n)
	case string(got.Sum(nil)) != string(want.Sum(nil)):
		return fmt.Errorf("received %d bytes whose SHA-256 differs from those sent", n)
	}
	return nil
}

// slow is a peer that reads or writes little at a time and rests between.
type slow struct {
	net.Conn
	piece int // bytes at a time
	rest  time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(s.rest) // the load itself, not a wait for something
	return s.Conn.Read(p[:min(len(p), s.piece)])
}

func (s slow) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		time.Sleep(s.rest) // as above
		var k int
		k, err = s.Conn.Write(p[n:min(len(p), n+s.piece)])
		n += k
	}
	return n, err
}

// smallBuffers gives a socket buffers so small that its peer feels every pause, and yet so large that windows open in whole segments, without waits for delayed ACKs.
func smallBuffers(fd uintptr) {
	const size = 32 << 10 // bytes; the kernel doubles it
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, size)
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, size)
}

// order is what a client tells a server to do in a transfer.
type order struct {
	Seed     uint64
	Up, Down int64 // bytes
}

func (o order) send(w io.Writer) error { return binary.Write(w, binary.LittleEndian, o) }

func receiveOrder(r io.Reader) (o order, err error) {
	return o, binary.Read(r, binary.LittleEndian, &o)
}

// The two directions of one transfer are different streams.
func (o order) sendUp(w io.Writer) error      { return send(w, o.Seed, o.Up) }
func (o order) sendDown(w io.Writer) error    { return send(w, ^o.Seed, o.Down) }
func (o order) receiveUp(r io.Reader) error   { return receive(r, o.Seed, o.Up) }
func (o order) receiveDown(r io.Reader) error { return receive(r, ^o.Seed, o.Down) }
