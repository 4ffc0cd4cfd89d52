package weblog

import (
	"bytes"
	"net/netip"
)

const (
	// requestLimit is how many bytes of a request are compared: what both penlog's and pen's datagrams carry. See the package's doc.
	requestLimit = 900
	// fileLimit is where a request ends in pen's log file (PEN.md 1.9).
	fileLimit = 100
	// nameLimit is the longest client or server that is taken for one, in bytes: far more than an address or the name of a host has.
	nameLimit = 255
	// penDatagram is the longest datagram of pen's, in bytes (PEN.md 1.9); what stands behind is no part of the request.
	penDatagram = 1024
	// epochDigits bounds a time in pen's log, so that sums of times cannot overflow.
	epochDigits = 15
)

// penLine is one of pen's records. The slices are parts of the line it was read from.
type penLine struct {
	client  []byte // empty: a client on a Unix socket, whom no web line can name
	epoch   int64  // unix seconds; 0 in a datagram, which has none
	server  []byte
	request []byte
}

// usable says that a web line may be matched with it.
func (p *penLine) usable() bool { return len(p.client) > 0 && len(p.request) > 0 }

// parsePenLine reads a line of pen's log file, without its end. False: it is not such a line.
func parsePenLine(line []byte) (p penLine, ok bool) {
	var epoch []byte
	p.client, line, _ = bytes.Cut(line, space)
	epoch, line, _ = bytes.Cut(line, space)
	if p.server, p.request, ok = bytes.Cut(line, space); !ok {
		return penLine{}, false
	}
	p.epoch, ok = parseEpoch(epoch)
	if !ok || len(p.client) > nameLimit || len(p.server) > nameLimit || len(p.server) == 0 {
		return penLine{}, false
	}
	return p, true
}

// parsePenDatagram reads a line that begins with the plus sign. A space behind the sign may be missing, as to Debian's penlogd. False: it is not one of pen's.
func parsePenDatagram(line []byte) (p penLine, ok bool) {
	line = line[:min(len(line), penDatagram)]
	line = bytes.TrimPrefix(bytes.TrimPrefix(line, plus), space)
	p.client, line, _ = bytes.Cut(line, space)
	if p.server, p.request, ok = bytes.Cut(line, space); !ok || len(p.client) > nameLimit {
		return penLine{}, false
	}
	return p, true
}

func parseEpoch(text []byte) (epoch int64, ok bool) {
	if len(text) == 0 || len(text) > epochDigits {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		epoch = epoch*10 + int64(c-'0')
	}
	return epoch, true
}

var (
	space = []byte(" ")
	plus  = []byte("+")
	quote = []byte(`"`)
)

// appendKey appends what two lines must have in common to be about the same request: the server, which has no space in it, and as much of the request as is compared.
func appendKey(dst, server, request []byte) []byte {
	dst = append(append(dst, server...), ' ')
	return append(dst, request[:min(len(request), requestLimit)]...)
}

// appendAddr appends an address in the one way in which it is written here: without a zone, an IPv4 one never as IPv6.
func appendAddr(dst []byte, addr netip.Addr) []byte { return addr.Unmap().WithZone("").AppendTo(dst) }

// appendServer appends the name of a server as appendAddr would, if it is an IPv6 address, for they can be written in many ways. Any other stays as it is.
func appendServer(dst, name []byte) []byte {
	if bytes.IndexByte(name, ':') >= 0 {
		if addr, err := netip.ParseAddr(string(name)); err == nil {
			return appendAddr(dst, addr)
		}
	}
	return append(dst, name...)
}
