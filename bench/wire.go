package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// The talk between a load client and a server, the same for every workload: the client sends an ask (a header and Up bytes of body), the server checks every byte of it and
// sends an answer (a header and Down bytes of body), which the client checks in its turn. The workloads differ in sizes, in how many asks are on their way at once and in who closes.

// headerSize is the length in bytes of the header that opens asks and answers.
const headerSize = 24

// maxBody bounds the body of one message, in bytes: a bulk chunk. With bulkWindow of them on their way a connection has 1 MiB in flight, which is less than what a socket on
// loopback buffers, so that gnet's servers write it straight to the kernel and need not keep a copy.
const maxBody = 256 << 10

// period is the length in bytes after which the pattern repeats: a prime, so that a lost or doubled page, pipe or segment shows as a difference.
const period = 65521

const (
	magicAsk    uint32 = 0x6b736170
	magicAnswer uint32 = 0x736e6170
)

// Flags of a header.
const (
	// hangUp asks the server to close after its answer.
	hangUp uint32 = 1 << iota
	// garbled tells the client that its ask was not what it should have been.
	garbled
)

// header opens a message. An answer carries the Tag, Up and Down of its ask.
type header struct {
	Magic uint32
	Flags uint32
	Tag   uint64 // names the message, and by that the bytes of its body
	Up    uint32 // body bytes of the ask
	Down  uint32 // body bytes of the answer
}

func (h header) put(b []byte) {
	binary.LittleEndian.PutUint32(b[0:], h.Magic)
	binary.LittleEndian.PutUint32(b[4:], h.Flags)
	binary.LittleEndian.PutUint64(b[8:], h.Tag)
	binary.LittleEndian.PutUint32(b[16:], h.Up)
	binary.LittleEndian.PutUint32(b[20:], h.Down)
}

func getHeader(b []byte) header {
	return header{
		Magic: binary.LittleEndian.Uint32(b[0:]),
		Flags: binary.LittleEndian.Uint32(b[4:]),
		Tag:   binary.LittleEndian.Uint64(b[8:]),
		Up:    binary.LittleEndian.Uint32(b[16:]),
		Down:  binary.LittleEndian.Uint32(b[20:]),
	}
}

// compose writes an ask with its body into b, which has its length.
func (h header) compose(b []byte) {
	h.put(b)
	copy(b[headerSize:], body(h.Tag, upBody, h.Up))
}

var errGarbled = errors.New("the server got other bytes than were sent")

// parseAsk reads an ask's header; b holds at least headerSize bytes.
func parseAsk(b []byte) (header, error) {
	h := getHeader(b)
	if h.Magic != magicAsk || h.Up > maxBody || h.Down > maxBody {
		return h, fmt.Errorf("no ask: % x", b[:headerSize])
	}
	return h, nil
}

// answerTo is the header of the answer that a server owes to ask.
func answerTo(ask header) header {
	return header{Magic: magicAnswer, Tag: ask.Tag, Up: ask.Up, Down: ask.Down}
}

// checkAnswer compares an answer's header in b with what ask calls for.
func checkAnswer(b []byte, ask header) error {
	switch got, want := getHeader(b), answerTo(ask); {
	case got == want:
		return nil
	case got.Magic == magicAnswer && got.Flags&garbled != 0:
		return errGarbled
	default:
		return fmt.Errorf("answer %+v does not belong to its ask, want %+v", got, want)
	}
}

// Invariant: pattern is never written after init; bodies are slices of it.
var pattern = makePattern()

func makePattern() []byte {
	src := rand.NewChaCha8([32]byte([]byte("what is carried must arrive here")))
	p := make([]byte, period+maxBody)
	_, _ = src.Read(p[:period])
	for n := period; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
	return p
}

// up and down make the two bodies of one tag differ.
const (
	upBody   uint64 = 0x9e3779b97f4a7c15
	downBody uint64 = 0xc2b2ae3d27d4eb4f
)

// body returns the n bytes that a message with this tag carries in the direction given by salt. Read only.
func body(tag, salt uint64, n uint32) []byte {
	x := (tag + salt) * salt
	x ^= x >> 32
	off := x % period
	return pattern[off : off+uint64(n)]
}

// checkBody compares part, the bytes of the body from offset off, with what they should be.
func checkBody(tag, salt uint64, off uint32, part []byte) error {
	want := body(tag, salt, off+uint32(len(part)))[off:]
	if bytes.Equal(part, want) {
		return nil
	}
	i := 0
	for part[i] == want[i] {
		i++
	}
	return fmt.Errorf("byte %d of the body of message %#x is %#02x, want %#02x", int(off)+i, tag, part[i], want[i])
}
