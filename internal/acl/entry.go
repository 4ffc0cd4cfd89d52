package acl

import (
	"fmt"
	"net/netip"
)

// form says which of three kinds of words an entry is written in.
type form uint8

const (
	masked   form = iota // IPv4 address and mask
	prefixed             // IPv6 address and prefix length
	country              // country code
)

// Entry is one line of a list. It is an immutable value, made by ParseEntry, and comparable with ==.
type Entry struct {
	permit bool
	form   form
	length uint8      // prefixed: 0 to 128
	code   [2]byte    // country: upper case
	mask   netip.Addr // masked: any bits, as in an address
	addr   netip.Addr // masked, prefixed: as written, with its host bits, without zone
}

// Permit tells the entry's verb: true for permit, false for deny.
func (e Entry) Permit() bool { return e.permit }

// String returns words that ParseEntry reads, as Pen's `write` prints them: always with the mask or the prefix length.
func (e Entry) String() string {
	if e.permit {
		return "permit " + e.whom()
	}
	return "deny " + e.whom()
}

// whom is String without the verb.
func (e Entry) whom() string {
	switch e.form {
	case masked:
		return e.addr.String() + " " + e.mask.String()
	case prefixed:
		return fmt.Sprintf("%s/%d", e.addr, e.length)
	default:
		return "country " + string(e.code[:])
	}
}

// Notice returns one line about an entry that keeps Pen's rules and is yet hardly what its writer meant, or "". It is for the control room to log.
//
// Pen compares the client's masked address with the entry's address as it was written, so an entry with a bit outside its mask matches nobody (PEN.md 1.16).
// That is kept, for IPv6 too, where Pen does the same (seen on 0.34.1), and told here.
func (e Entry) Notice() string {
	r := e.rule()
	switch {
	case r.barren():
		return fmt.Sprintf("acl: %s matches nobody: the address has bits outside the mask; the network is %s", e.whom(), e.network().whom())
	case r.family == ipv6 && keyOf(mappedZero).and(r.mask) == r.want:
		return fmt.Sprintf("acl: %s matches IPv6 clients only; IPv4 clients need an entry of their own", e.whom())
	}
	return ""
}

// network is e with the host bits of its address cleared.
func (e Entry) network() Entry {
	if e.form == prefixed {
		e.addr = netip.PrefixFrom(e.addr, int(e.length)).Masked().Addr()
	} else {
		r := e.rule()
		e.addr = ipv4Of(uint32(r.want.and(r.mask).lo))
	}
	return e
}
