package forwarded

import "bytes"

// kind is what a field means to the filter.
type kind uint8

const (
	plain kind = iota
	contentLength
	transferEncoding
	upgrade
	forwardedFor
	forgery // would be taken for ours: X-Forwarded-Proto, and either name with underscores
)

// kindOf knows a field by its name, a token.
func kindOf(name []byte) kind {
	var lower [len("x-forwarded-proto")]byte // as long as the longest name below
	if len(name) > len(lower) {
		return plain
	}
	underscores := false
	for i, c := range name {
		switch {
		case c == '_':
			underscores, c = true, '-'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(name)]) {
	case "x-forwarded-proto":
		return forgery
	case "x-forwarded-for":
		if underscores {
			return forgery
		}
		return forwardedFor
	case "content-length":
		if !underscores {
			return contentLength
		}
	case "transfer-encoding":
		if !underscores {
			return transferEncoding
		}
	case "upgrade":
		return upgrade
	}
	return plain
}

// splitField reads name ":" value, without its end. The value comes without the blanks around it. Not ok are a missing colon, a name that is no token (so neither may a blank stand before
// the colon, nor a line begin with one to continue the line before), and CR and NUL anywhere.
func splitField(text []byte) (name, value []byte, ok bool) {
	name, value, found := bytes.Cut(text, []byte{':'})
	if !found || !isToken(name) || bytes.IndexByte(value, '\r') >= 0 || bytes.IndexByte(value, 0) >= 0 {
		return nil, nil, false
	}
	return name, bytes.Trim(value, " \t"), true
}

// isTokenByte says which bytes a token has (RFC 9110, 5.6.2).
var isTokenByte = func() (is [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		is[c] = true
	}
	return is
}()

func isToken(text []byte) bool {
	for _, c := range text {
		if !isTokenByte[c] {
			return false
		}
	}
	return len(text) > 0
}
