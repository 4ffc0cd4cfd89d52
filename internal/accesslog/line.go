package accesslog

import (
	"bytes"
	"net/netip"
	"strconv"
)

// line is what is kept of one read until the writer formats it.
type line struct {
	at      int64      // unix ns
	client  netip.Addr // invalid: a client on a Unix socket
	server  string
	request []byte
	whole   bool // request is the line, all of it
}

// request returns the first line of data, at most most bytes of it: a part of data, not a copy.
func request(data []byte, most int) []byte {
	data = data[:min(len(data), most)]
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		data = data[:end]
	}
	if end := bytes.IndexByte(data, '\r'); end >= 0 {
		data = data[:end]
	}
	return data
}

// appendFileLine appends the line as Pen's log file has it. A Unix client's address is empty, as Pen's is.
func (e *line) appendFileLine(b []byte) []byte {
	if e.whole {
		return append(append(b, e.request...), '\n')
	}
	b = e.appendClient(b)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.at/1e9, 10)
	b = append(b, ' ')
	b = append(b, e.server...)
	b = append(b, ' ')
	for _, c := range e.request {
		if c >= 0x80 {
			c = '.'
		}
		b = append(b, c)
	}
	return append(b, '\n')
}

// appendDatagram appends the line as Pen sends it to penlogd. Unlike in a file, a long request is not cut at 100 bytes, and bytes that are not ASCII stay as they are.
// A Unix client is "-": Pen sends uninitialised memory there, and nothing at all would make Debian's penlogd take the request for the server and die (PEN.md B19).
func (e *line) appendDatagram(b []byte) []byte {
	if e.whole {
		return e.appendFileLine(b)
	}
	start := len(b)
	b = append(b, "+ "...)
	if e.client.IsValid() {
		b = e.appendClient(b)
	} else {
		b = append(b, '-')
	}
	b = append(b, ' ')
	b = append(b, e.server...)
	b = append(b, ' ')
	b = append(b, e.request...)
	b = b[:min(len(b), start+maxDatagram-1)]
	return append(b, '\n')
}

// appendClient appends the address alone: the zone of a link-local client is not part of Pen's line.
func (e *line) appendClient(b []byte) []byte {
	if !e.client.IsValid() {
		return b
	}
	return e.client.WithZone("").AppendTo(b)
}
