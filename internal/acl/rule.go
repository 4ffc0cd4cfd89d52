package acl

import (
	"encoding/binary"
	"net/netip"
)

// family is what kind of fact about a client a rule compares.
type family uint8

const (
	ipv4 family = iota
	ipv6
	place // the country
)

// key is an address as two numbers: IPv6 in both, IPv4 in the low half of lo.
type key struct{ hi, lo uint64 }

func (k key) and(mask key) key { return key{k.hi & mask.hi, k.lo & mask.lo} }

func keyOf(addr netip.Addr) key {
	if addr.Is4() {
		b := addr.As4()
		return key{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := addr.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// prefixMask has the first n of 128 bits set.
func prefixMask(n uint8) key {
	if n <= 64 {
		return key{hi: ^uint64(0) << (64 - n)}
	}
	return key{^uint64(0), ^uint64(0) << (128 - n)}
}

func ipv4Of(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// mappedZero is the first of the IPv6 addresses that stand for IPv4 ones, mappedLength the length of the prefix they share.
var mappedZero = netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff})

const mappedLength = 96

// rule is an entry in the form it is compared in.
type rule struct {
	family     family
	code       [2]byte // place
	mask, want key     // ipv4, ipv6: matches when client&mask == want
}

// rule translates the entry. Clients arrive unmapped, so an IPv6 entry that names mapped IPv4 addresses, as Pen needed on a dual-stack listener, becomes a rule for IPv4.
func (e Entry) rule() rule {
	switch {
	case e.form == country:
		return rule{family: place, code: e.code}
	case e.form == masked:
		return rule{family: ipv4, mask: keyOf(e.mask), want: keyOf(e.addr)}
	case e.addr.Is4In6() && e.length >= mappedLength:
		return rule{family: ipv4, mask: key{lo: prefixMask(e.length).lo & 0xffffffff}, want: keyOf(e.addr.Unmap())}
	default:
		return rule{family: ipv6, mask: prefixMask(e.length), want: keyOf(e.addr)}
	}
}

// barren says that no client can match: the address has bits that the mask takes from every client.
func (r *rule) barren() bool { return r.family != place && r.want.and(r.mask) != r.want }

func (r *rule) matches(s *subject) bool {
	if r.family == place {
		return s.country() == r.code
	}
	return r.family == s.family && s.key.and(r.mask) == r.want
}

// subject is a client under judgement. It lives on the stack of one Match.
type subject struct {
	addr      netip.Addr
	countries Countries
	key       key
	family    family
	code      [2]byte
	asked     bool
}

func subjectOf(client netip.Addr, countries Countries) subject {
	s := subject{addr: client.Unmap(), countries: countries, family: ipv6}
	if s.addr.Is4() {
		s.family = ipv4
	}
	s.key = keyOf(s.addr)
	return s
}

// country asks at most once, and only if a rule needs it: a look-up costs more than all comparisons before it. Zero bytes, which no rule has, stand for unknown.
func (s *subject) country() [2]byte {
	if !s.asked {
		s.asked = true
		if s.countries != nil {
			if code := s.countries.Country(s.addr); len(code) == len(s.code) {
				s.code = [2]byte{code[0], code[1]}
			}
		}
	}
	return s.code
}
