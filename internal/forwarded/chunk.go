package forwarded

// maxSizeDigits bounds the digits of a chunk's size, leading zeros and all: 64 bits.
const maxSizeDigits = 16

func (f *Filter) beginChunk() { f.state, f.left, f.digits = chunkSize, 0, 0 }

// chunkLine takes the bytes around a chunk's data, each at once. Lines must end in CRLF here even if the header's end in LF:
// servers that disagree about a bare LF in them disagree about where the next request begins.
func (f *Filter) chunkLine(dst, src []byte) ([]byte, int) {
	n := 0
	for n < len(src) && f.state >= chunkSize && f.state <= chunkDataLF && f.state != chunkData {
		if !f.chunkByte(src[n]) {
			f.fail("malformed chunk")
			break
		}
		n++
	}
	return append(dst, src[:n]...), n
}

// chunkByte moves on by one byte, or says that it may not stand here.
func (f *Filter) chunkByte(c byte) bool {
	switch f.state {
	case chunkSize:
		if d, ok := hexDigit(c); ok {
			f.left = f.left<<4 | uint64(d)
			f.digits++
			return f.digits <= maxSizeDigits
		}
		return f.digits > 0 && f.afterSize(c)
	case chunkPad:
		return f.afterSize(c)
	case chunkExt:
		if c == '\r' {
			f.state = chunkLF
		}
		return c != '\n' && c != 0
	case chunkLF:
		f.state = chunkData
		if f.left == 0 {
			f.state = trailer
		}
		return c == '\n'
	case chunkDataCR:
		f.state = chunkDataLF
		return c == '\r'
	default: // chunkDataLF
		f.beginChunk()
		return c == '\n'
	}
}

func (f *Filter) afterSize(c byte) bool {
	switch c {
	case ' ', '\t':
		f.state = chunkPad
	case ';':
		f.state = chunkExt
	case '\r':
		f.state = chunkLF
	default:
		return false
	}
	return true
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// trailerLine takes a line behind the last chunk. RFC 9110, 6.5.1 forbids fields there that frame or route, and a server that merges trailers into the header would trust ours.
func (f *Filter) trailerLine(dst, line []byte) []byte {
	text, crlf := chomp(line)
	switch {
	case !crlf:
		f.fail("malformed trailer")
	case len(text) == 0:
		f.state = start
	default:
		if name, _, ok := splitField(text); !ok || kindOf(name) != plain {
			f.fail("malformed trailer")
		}
	}
	if f.state == bad {
		return dst
	}
	return append(dst, line...)
}
