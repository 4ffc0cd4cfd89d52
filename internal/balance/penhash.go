package balance

import (
	"encoding/binary"
	"math/bits"
)

// byPenHash picks as Pen's -h does (PEN.md 1.4 item 5): the IPv4 address, as a little-endian number, modulo the number of servers; of an IPv6 address the last
// byte. It looks neither at health nor at the client prefix. Under -r the source port, as it lies in memory, is mixed into an IPv4 address.
// Kept for those whose clients are placed already: on 2^k servers only the first octet counts (PEN.md B12).
func (p *published) byPenHash(c Client) int {
	n := len(p.Servers)
	if n == 0 {
		return nobody
	}
	addr := c.Addr.Addr().Unmap()
	switch {
	case addr.Is4():
		octets := addr.As4()
		h := binary.LittleEndian.Uint32(octets[:])
		if p.RoundRobin {
			h ^= uint32(bits.ReverseBytes16(c.Addr.Port()))
		}
		return int(h % uint32(n))
	case addr.Is6():
		octets := addr.As16()
		return int(octets[15]) % n
	default: // a Unix socket
		return 0
	}
}
