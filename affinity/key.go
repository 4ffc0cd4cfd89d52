package affinity

import "net/netip"

// Key is one client as the table knows it: an IPv6 address, an IPv4 address in v4-mapped form (::ffff:a.b.c.d), or a prefix of either with the rest zero.
// The zero Key stands for all clients of Unix sockets, which have no address.
type Key [16]byte

// mapped is how many leading bits of a v4-mapped address are not the IPv4 address.
const mapped = 96

// Prefix is how much of an address, in bits, tells one client from another (--track-prefix). {32, 128} takes whole addresses; larger values mean the same.
// A V6 of 0 makes all IPv6 clients one, and that one is the zero Key.
type Prefix struct{ V4, V6 uint8 }

// Key returns the client that addr belongs to. A v4-mapped address is its IPv4 address; a zone is ignored; an invalid addr gives the zero Key. It does not allocate.
func (p Prefix) Key(addr netip.Addr) Key {
	if !addr.IsValid() {
		return Key{}
	}
	keep := int(p.V6)
	if addr.Unmap().Is4() {
		keep = mapped + int(p.V4)
	}
	k := Key(addr.As16())
	if keep >= 8*len(k) {
		return k
	}
	k[keep/8] &= ^(0xff >> (keep % 8))
	clear(k[keep/8+1:])
	return k
}

// Addr returns the address, IPv4 as such and not v4-mapped. It is invalid for the zero Key.
func (k Key) Addr() netip.Addr {
	if k == (Key{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(k).Unmap()
}
