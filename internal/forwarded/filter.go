package forwarded

import "net/netip"

// maxLine bounds a request line or a header line, in bytes with its end: Windows puts tickets of close to 64 KB into one Authorization field; nothing known is longer.
// It is all that a client can make a Filter hold, twice (a line and a list).
const maxLine = 64 << 10

// idleKeep is the largest buffer, in bytes, that is kept from one request to the next: enough for usual lines that come in two pieces, little beside a connection.
const idleKeep = 512

// state is what the next byte belongs to.
type state uint8

const (
	start       state = iota // a request line, or blank lines before it, or no HTTP at all
	preface                  // the rest of HTTP/2's preface
	head                     // a header line
	content                  // left bytes of content
	chunkSize                // digits of a chunk's size
	chunkPad                 // blanks after them
	chunkExt                 // an extension
	chunkLF                  // the LF of that line
	chunkData                // left bytes of a chunk
	chunkDataCR              // the CR behind them
	chunkDataLF              // and its LF
	trailer                  // a trailer line
	passing                  // for good: not HTTP/1.x
	bad                      // for good: nothing comes out
)

// Filter adds the two fields to the requests of one client's connection. It is owned by that connection, starts nothing, and is not safe for concurrent use.
// Between requests it holds at most 1 KiB besides itself, and usually nothing.
type Filter struct {
	// constant after Reset
	client netip.Addr
	proto  string

	// owned by the connection
	line   []byte // the beginning of a line whose end has not come: in start already sent on, in head and trailer held back
	list   []byte // the client's last X-Forwarded-For line of this header, held back, without its end
	cause  string // of bad
	left   uint64 // content and chunk bytes to come, 0 between requests; while chunkSize: the size so far
	state  state
	digits uint8 // of the chunk size
	match  uint8 // bytes of prefaceRest seen

	// owned by the connection; about the request at hand
	crlf      bool // its lines end in CRLF, not in LF
	old       bool // it is HTTP/1.0
	connect   bool // its method is CONNECT
	hasLength bool
	chunked   bool
	leaving   bool // what follows it may be another protocol; true before the first request as well
}

// New returns a filter for a client's connection. proto is what X-Forwarded-Proto says, "http" or "https". An invalid client is a Unix one.
func New(client netip.Addr, proto string) *Filter {
	f := new(Filter)
	f.Reset(client, proto)
	return f
}

// Reset makes f ready for another connection and keeps its small buffers.
func (f *Filter) Reset(client netip.Addr, proto string) {
	*f = Filter{client: client.Unmap().WithZone(""), proto: proto, line: idle(f.line), list: idle(f.list), leaving: true}
}

// Append consumes src, the next bytes from the client, and appends to dst what is to be sent to the server, which it returns. src is not kept.
// A header line comes out when its end has come in; everything else comes out at once. Each request becomes about 100 bytes longer, and the shortest one has 14.
// It allocates only if dst has no room or a line of more than 512 bytes comes in pieces.
func (f *Filter) Append(dst, src []byte) []byte {
	for len(src) > 0 {
		n := 0
		switch f.state {
		case start:
			dst, n = f.requestLine(dst, src)
		case preface:
			dst, n = f.prefaceRest(dst, src)
		case head, trailer:
			dst, n = f.fieldLine(dst, src)
		case content, chunkData:
			dst, n = f.counted(dst, src)
		case passing:
			return append(dst, src...)
		case bad:
			return dst
		default:
			dst, n = f.chunkLine(dst, src)
		}
		src = src[n:]
	}
	return dst
}

// End says that the client's stream has ended. A header that is cut off makes it bad, since some servers answer a request whose header ends so; nothing is left to send in any case.
func (f *Filter) End() {
	switch f.state {
	case head, trailer:
		f.fail("stream ends inside a header")
	case start:
		if resemblesHTTP(f.line) {
			f.fail("stream ends inside a request line")
		}
	}
}

// Bad says that the stream is one that servers may read differently: nothing comes out any more and the caller is to close.
func (f *Filter) Bad() bool { return f.state == bad }

// Cause says in a few words why the stream is bad, and is "" if it is not.
func (f *Filter) Cause() string { return f.cause }

// Passing says that all that is to come passes untouched, so the caller need not ask this filter again.
func (f *Filter) Passing() bool { return f.state == passing }

// fail lets go of what is held: it must not reach the server.
func (f *Filter) fail(cause string) {
	f.state, f.cause, f.line, f.list = bad, cause, nil, nil
}

// pass lets go of the copy of a line that has been sent on.
func (f *Filter) pass() { f.state, f.line, f.list = passing, nil, nil }

// counted forwards content, whose bytes mean nothing here.
func (f *Filter) counted(dst, src []byte) ([]byte, int) {
	n := int(min(f.left, uint64(len(src))))
	if f.left -= uint64(n); f.left == 0 {
		if f.state == chunkData {
			f.state = chunkDataCR
		} else {
			f.state = start
		}
	}
	return append(dst, src[:n]...), n
}

// idle is a buffer emptied, and given up if it has become large.
func idle(buffer []byte) []byte {
	if cap(buffer) > idleKeep {
		return nil
	}
	return buffer[:0]
}
