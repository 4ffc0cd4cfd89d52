package acl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseEntry reads what follows `acl N`: a verb and a subject, one of
//
//	permit|deny A [MASK]      A and MASK as inet_aton takes them; without MASK one address
//	permit|deny A/LENGTH      IPv4 in the notation that Pen lacks
//	permit|deny A6[/LENGTH]   without LENGTH one address; a zone is dropped, as Pen drops it
//	permit|deny country CC    two letters or digits
//
// Words after these are ignored, as in all of Pen's commands. The errors are worded as Pen's debug log has them (PEN.md 1.2).
// Unlike Pen it refuses a prefix length that is not a number from 0 to 128 (Pen reads "/x" as "/0": everybody) and a country of another length than two (Pen cuts it).
func ParseEntry(words []string) (Entry, error) {
	if len(words) == 0 || words[0] != "permit" && words[0] != "deny" {
		return Entry{}, errors.New("acl: expected permit|deny")
	}
	if len(words) == 1 {
		return Entry{}, errors.New("acl: expected address")
	}
	e := Entry{permit: words[0] == "permit"}
	var err error
	switch word, rest := words[1], words[2:]; {
	case word == "country":
		err = e.parseCountry(rest)
	case strings.Contains(word, ":"):
		err = e.parsePrefix(word)
	default:
		err = e.parseMasked(word, rest)
	}
	if err != nil {
		return Entry{}, err
	}
	return e, nil
}

func (e *Entry) parseCountry(rest []string) error {
	if len(rest) == 0 {
		return errors.New("acl: expected country")
	}
	e.form = country
	code := strings.ToUpper(rest[0])
	if len(code) != len(e.code) || !isAlphanumeric(code[0]) || !isAlphanumeric(code[1]) {
		return fmt.Errorf("acl: bogus country '%s'", rest[0])
	}
	copy(e.code[:], code)
	return nil
}

func isAlphanumeric(c byte) bool { return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' }

func (e *Entry) parsePrefix(word string) error {
	e.form = prefixed
	text, length, found := strings.Cut(word, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("acl: can't convert address %s", text)
	}
	e.addr, e.length = addr.WithZone(""), 128
	if found {
		if e.length, err = parseLength(length, 128); err != nil {
			return err
		}
	}
	return nil
}

func (e *Entry) parseMasked(word string, rest []string) error {
	e.form = masked
	text, length, found := strings.Cut(word, "/")
	addr, ok := aton(text)
	if !ok {
		return fmt.Errorf("acl: bogus address '%s'", word)
	}
	e.addr = addr
	switch {
	case found && len(rest) > 0: // two masks
		return fmt.Errorf("acl: bogus mask '%s'", rest[0])
	case found:
		n, err := parseLength(length, 32)
		if err != nil {
			return err
		}
		e.mask = ipv4Of(^uint32(0) << (32 - n))
	case len(rest) > 0:
		if e.mask, ok = aton(rest[0]); !ok {
			return fmt.Errorf("acl: bogus mask '%s'", rest[0])
		}
	default:
		e.mask = ipv4Of(^uint32(0))
	}
	return nil
}

func parseLength(text string, max uint64) (uint8, error) {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || n > max {
		return 0, fmt.Errorf("acl: bogus mask '%s'", text)
	}
	return uint8(n), nil
}

// aton reads an IPv4 address as the C library's inet_aton does, which is what Pen calls: one to four numbers, decimal, octal (0…) or hexadecimal (0x…),
// the last of which fills the bytes that are left. "10.1" is 10.0.0.1 and "010.1.1.1" is 8.1.1.1.
func aton(text string) (netip.Addr, bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	sum := uint32(0)
	for i, part := range parts {
		room := 8 // bits this number may fill
		if i == len(parts)-1 {
			room = 8 * (5 - len(parts))
		}
		n, ok := cNumber(part, room)
		if !ok {
			return netip.Addr{}, false
		}
		sum = uint32(uint64(sum)<<room) | n
	}
	return ipv4Of(sum), true
}

// cNumber reads a C integer literal of at most the given bits. strconv's own base prefixes are Go's ("0b", "0o", underscores) and not meant here.
func cNumber(text string, bits int) (uint32, bool) {
	base := 10
	if digits, found := strings.CutPrefix(strings.ToLower(text), "0x"); found {
		text, base = digits, 16
	} else if len(text) > 1 && text[0] == '0' {
		base = 8
	}
	n, err := strconv.ParseUint(text, base, bits)
	return uint32(n), err == nil
}
