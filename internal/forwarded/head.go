package forwarded

import (
	"bytes"
)

// fieldLine takes one line of a header or a trailer, or as much of it as there is.
func (f *Filter) fieldLine(dst, src []byte) ([]byte, int) {
	n, whole := lineEnd(src)
	if len(f.line)+n > maxLine {
		f.fail("header line too long")
		return dst, n
	}
	if !whole {
		f.line = append(f.line, src[:n]...)
		return dst, n
	}
	line := src[:n]
	if len(f.line) > 0 {
		f.line = append(f.line, line...)
		line = f.line
	}
	if f.state == head {
		dst = f.headerLine(dst, line)
	} else {
		dst = f.trailerLine(dst, line)
	}
	f.line = idle(f.line)
	return dst, n
}

func (f *Filter) headerLine(dst, line []byte) []byte {
	text, crlf := chomp(line)
	if crlf != f.crlf {
		f.fail("LF and CRLF in one header")
		return dst
	}
	if len(text) == 0 {
		return f.endOfHead(dst)
	}
	name, value, ok := splitField(text)
	if !ok {
		f.fail("malformed header line")
		return dst
	}
	switch kindOf(name) {
	case contentLength:
		f.length(value)
	case transferEncoding:
		f.coding(value)
	case upgrade:
		f.leaving = true
	case forwardedFor:
		if len(f.list) > 0 { // it was not the last one
			dst = f.endLine(append(dst, f.list...))
		}
		f.list = append(f.list[:0], text...)
		return dst
	case forgery:
		return dst
	}
	if f.state == bad {
		return dst
	}
	return append(dst, line...)
}

// length reads a Content-Length. Repeated equal ones are one (RFC 9112, 6.3); a list in one line is not taken, since servers differ about it.
func (f *Filter) length(value []byte) {
	const maxDigits = 18 // below 2^63, and more than any content has
	if len(value) == 0 || len(value) > maxDigits {
		f.fail("malformed Content-Length")
		return
	}
	n := uint64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			f.fail("malformed Content-Length")
			return
		}
		n = n*10 + uint64(c-'0')
	}
	if f.hasLength && n != f.left {
		f.fail("differing Content-Lengths")
		return
	}
	f.hasLength, f.left = true, n
}

// coding reads a Transfer-Encoding. Codings before "chunked" are legal and refused: a server that ignores the field because of them reads the content as requests.
func (f *Filter) coding(value []byte) {
	const name = "chunked"
	if f.chunked || len(value) != len(name) || !bytes.EqualFold(value, []byte(name)) { // the length keeps out EqualFold's Kelvin sign for a k
		f.fail("Transfer-Encoding other than chunked")
		return
	}
	f.chunked = true
}

// endOfHead writes our fields and the blank line, and goes on to the content.
func (f *Filter) endOfHead(dst []byte) []byte {
	switch {
	case f.chunked && f.hasLength:
		f.fail("Content-Length and Transfer-Encoding")
	case f.chunked && f.old:
		f.fail("Transfer-Encoding in HTTP/1.0")
	case f.connect && (f.chunked || f.left > 0):
		f.fail("CONNECT with content")
	}
	if f.state == bad {
		return dst
	}
	dst = append(dst, "X-Forwarded-Proto: "...)
	dst = f.endLine(append(dst, f.proto...))
	dst = f.endLine(f.appendList(dst))
	dst = f.endLine(dst)
	f.list = idle(f.list)
	switch {
	case f.chunked:
		f.beginChunk()
	case f.left > 0:
		f.state = content
	default:
		f.state = start
	}
	return dst
}

// appendList writes X-Forwarded-For: the client's own line extended, or a new one. A Unix client has no address: Pen leaves the value empty; in a list it is "unknown".
func (f *Filter) appendList(dst []byte) []byte {
	name, value := []byte("X-Forwarded-For"), []byte(nil)
	if len(f.list) > 0 {
		name, value, _ = splitField(f.list)
	}
	if len(value) > 0 {
		dst = append(dst, bytes.TrimRight(f.list, " \t")...)
		dst = append(dst, ", "...)
		if !f.client.IsValid() {
			return append(dst, "unknown"...)
		}
		return f.client.AppendTo(dst)
	}
	dst = append(append(dst, name...), ": "...)
	return f.client.AppendTo(dst)
}

func (f *Filter) endLine(dst []byte) []byte {
	if f.crlf {
		return append(dst, "\r\n"...)
	}
	return append(dst, '\n')
}
