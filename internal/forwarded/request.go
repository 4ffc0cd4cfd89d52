package forwarded

import "bytes"

// prefaceLine and prefaceRest are what an HTTP/2 client says first (RFC 9113, 3.4).
const (
	prefaceLine = "PRI * HTTP/2.0\r\n"
	prefaceRest = "\r\nSM\r\n\r\n"
)

// requestLine sends the line on as it comes, so that no other protocol ever waits for the end of something that it does not know as a line, and judges it when its end has come.
func (f *Filter) requestLine(dst, src []byte) ([]byte, int) {
	if len(f.line) == 0 && !isTokenByte[src[0]] && !isBlank(src[0]) && src[0] != '\n' {
		f.other()
		return dst, 0
	}
	n, whole := lineEnd(src)
	if room := maxLine - len(f.line); n > room {
		dst, f.line = append(dst, src[:room]...), append(f.line, src[:room]...)
		f.tooLong()
		return dst, room
	}
	dst = append(dst, src[:n]...)
	if !whole {
		f.line = append(f.line, src[:n]...)
		return dst, n
	}
	line := src[:n]
	if len(f.line) > 0 {
		f.line = append(f.line, line...)
		line = f.line
	}
	f.judge(line)
	f.line = idle(f.line)
	return dst, n
}

// lineEnd returns the length of src up to and with its first LF, or all of it if there is none.
func lineEnd(src []byte) (n int, whole bool) {
	if i := bytes.IndexByte(src, '\n'); i >= 0 {
		return i + 1, true
	}
	return len(src), false
}

// judge goes on from a whole first line.
func (f *Filter) judge(line []byte) {
	text, crlf := chomp(line)
	method, minor, ok := parseRequestLine(text)
	switch {
	case ok:
		f.state = head
		f.crlf, f.old, f.connect = crlf, minor == '0', string(method) == "CONNECT"
		f.hasLength, f.chunked, f.leaving = false, false, f.connect
	case len(text) == 0: // RFC 9112, 2.2: blank lines before a request are to be ignored
	case f.leaving && string(line) == prefaceLine:
		f.state = preface
	case resemblesHTTP(text):
		f.fail("malformed request line")
	case isBlank(text[0]):
		f.fail("blanks before a request")
	default:
		f.other()
	}
}

// other goes on from bytes that are no HTTP.
func (f *Filter) other() {
	if f.leaving {
		f.pass()
	} else {
		f.fail("no request where one is due")
	}
}

// tooLong goes on from the first maxLine bytes of a first line without an end.
func (f *Filter) tooLong() {
	method, _, found := bytes.Cut(f.line, []byte{' '})
	if found && isToken(method) || isBlank(f.line[0]) || resemblesHTTP(f.line) {
		f.fail("request line too long")
		return
	}
	f.other()
}

// chomp takes the line's end off and says whether it was CRLF.
func chomp(line []byte) (text []byte, crlf bool) {
	text = line[:len(line)-1]
	if n := len(text) - 1; n >= 0 && text[n] == '\r' {
		return text[:n], true
	}
	return text, false
}

// parseRequestLine reads exactly token SP target SP HTTP/1.digit.
func parseRequestLine(text []byte) (method []byte, minor byte, ok bool) {
	const version = "HTTP/1.x"
	method, rest, _ := bytes.Cut(text, []byte{' '})
	n := len(rest) - len(version)
	if n < 2 || rest[n-1] != ' ' || string(rest[n:n+len(version)-1]) != version[:len(version)-1] {
		return nil, 0, false
	}
	minor = rest[len(rest)-1]
	if minor < '0' || minor > '9' || !isToken(method) {
		return nil, 0, false
	}
	for _, c := range rest[:n-1] {
		if c <= ' ' || c == 0x7f {
			return nil, 0, false
		}
	}
	return method, minor, true
}

// resemblesHTTP says that a lenient server may take the line for a request with a header: RFC 9112, 3 lets it split at any blanks, some take any version in any case,
// and some (Python's http.server) read a header even behind HTTP/0.9's "GET /".
func resemblesHTTP(text []byte) bool {
	if bytes.HasPrefix(text, []byte("GET ")) {
		return true
	}
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], '/')
		if i < 0 {
			return false
		}
		if at := from + i; at >= 4 && bytes.EqualFold(text[at-4:at], []byte("HTTP")) {
			return true
		}
		from += i + 1
	}
}

// isBlank says that c is one of the bytes that RFC 9112, 3 lets a lenient server take for a space in a request line.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' }

func (f *Filter) prefaceRest(dst, src []byte) ([]byte, int) {
	n := 0
	for n < len(src) && int(f.match) < len(prefaceRest) {
		if src[n] != prefaceRest[f.match] {
			f.fail("malformed HTTP/2 preface")
			return dst, n
		}
		dst = append(dst, src[n])
		f.match++
		n++
	}
	if int(f.match) == len(prefaceRest) {
		f.pass()
	}
	return dst, n
}
