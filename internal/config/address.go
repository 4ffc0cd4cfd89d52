package config

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Server is one server as given: "host:port:soft:hard:weight:prio", or the path of a Unix socket.
type Server struct {
	Text string         // as it was written
	Host string         // a name or an address, without brackets; "" for a Unix socket
	Port int            // 1..65535; 0 for a Unix socket
	Path string         // of a Unix socket; "" for TCP
	Addr netip.AddrPort // invalid until Resolve if Host is a name, and for a Unix socket

	Soft, Hard, Weight, Prio int // 0..2147483647
}

// Listen is where to listen.
type Listen struct {
	Text    string           // as it was written
	Network string           // "tcp" or "unix"
	Host    string           // a name or an address, without brackets; "" for every address of both families, and for a Unix socket
	Port    int              // 1..65535; 0 for a Unix socket
	Path    string           // of a Unix socket; "" for TCP
	Addrs   []netip.AddrPort // one; none until Resolve if Host is a name, and none for a Unix socket

	// DualStack says that no family was asked for: Addrs is [::]:port and takes IPv4 as well, and 0.0.0.0 will do where there is no IPv6.
	// An address that was written out is of its own family only, [::] too.
	DualStack bool
}

// maxPath is the longest path of a Unix socket: sockaddr_un.sun_path holds 108 bytes, the last of which is 0.
const maxPath = 107

// ParseServer reads one server. The port is defaultPort if the text has none; a defaultPort of 0 means that there is none to fall back on.
func ParseServer(text string, defaultPort int) (Server, error) {
	return parseServer("server", text, defaultPort)
}

// parseServer is ParseServer with another word for what it reads.
func parseServer(what, text string, defaultPort int) (Server, error) {
	fail := func(format string, args ...any) (Server, error) {
		return Server{}, usagef("%s %q: %s", what, text, fmt.Sprintf(format, args...))
	}
	s := Server{Text: text, Port: defaultPort}
	if strings.HasPrefix(text, "-") {
		return fail("flags come before the listening address")
	}
	if strings.Contains(text, "/") {
		if strings.Contains(text, ":") {
			return fail("a Unix socket takes no port and no numbers, and its path no ':'")
		}
		if err := checkPath(text); err != nil {
			return fail("%v", err)
		}
		return Server{Text: text, Path: text}, nil
	}
	host, rest, hasPort, err := cutHost(text)
	if err != nil {
		return fail("%v", err)
	}
	s.Host = host
	addr, err := checkHost(host)
	if err != nil {
		return fail("%v", err)
	}
	fields := strings.Split(rest, ":")
	if !hasPort && defaultPort == 0 {
		return fail("port is missing, and there is no port listened on to take instead")
	}
	if hasPort {
		if s.Port, err = parsePort("tcp", fields[0]); err != nil {
			return fail("%v", err)
		}
	}
	numbers := []struct {
		name string
		to   *int
	}{{"soft limit", &s.Soft}, {"hard limit", &s.Hard}, {"weight", &s.Weight}, {"prio", &s.Prio}}
	if len(fields) > 1+len(numbers) {
		return fail("must be host[:port[:soft[:hard[:weight[:prio]]]]]")
	}
	number := whole(0, math.MaxInt32)
	for i, field := range fields[1:] {
		if *numbers[i].to, err = number(field); err != nil {
			return fail("%s %v", numbers[i].name, err)
		}
	}
	if addr.IsValid() {
		s.Addr = netip.AddrPortFrom(addr, uint16(s.Port))
	}
	return s, nil
}

// String is the server in full. ParseServer reads it back to the same server but for Text.
func (s Server) String() string {
	if s.Path != "" {
		return s.Path
	}
	text := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	if s.Soft|s.Hard|s.Weight|s.Prio != 0 {
		text += fmt.Sprintf(":%d:%d:%d:%d", s.Soft, s.Hard, s.Weight, s.Prio)
	}
	return text
}

// ParseListen reads where to listen: "port", "*:port", "host:port", "[IPv6]:port" or the path of a Unix socket.
func ParseListen(text string) (Listen, error) {
	l, err := parseListen(text)
	if err != nil {
		return Listen{}, usagef("listen %q: %v", text, err)
	}
	return l, nil
}

// parseListen is ParseListen with errors that say only what was expected.
func parseListen(text string) (Listen, error) {
	fail := func(err error) (Listen, error) { return Listen{}, err }
	if strings.Contains(text, "/") {
		if err := checkPath(text); err != nil {
			return fail(err)
		}
		return Listen{Text: text, Network: "unix", Path: text}, nil
	}
	host, port, hasPort, err := cutHost(text)
	if err != nil {
		return fail(err)
	}
	if strings.Contains(port, ":") || strings.HasPrefix(text, "[") && !hasPort {
		return fail(errors.New("must be [host:]port or /path"))
	}
	if !hasPort {
		host, port = "*", text
	}
	l := Listen{Text: text, Network: "tcp", Host: host}
	if l.Port, err = parsePort("tcp", port); err != nil {
		return fail(err)
	}
	if l.Host == "*" {
		l.Host, l.DualStack = "", true
		l.Addrs = []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(l.Port))}
		return l, nil
	}
	addr, err := checkHost(l.Host)
	if err != nil {
		return fail(err)
	}
	if addr.IsValid() {
		l.Addrs = []netip.AddrPort{netip.AddrPortFrom(addr, uint16(l.Port))}
	}
	return l, nil
}

// String is the address in full. ParseListen reads it back to the same address but for Text.
func (l Listen) String() string {
	switch {
	case l.Path != "":
		return l.Path
	case l.DualStack:
		return "*:" + strconv.Itoa(l.Port)
	default:
		return net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
	}
}

// cutHost splits "host:rest" and "[IPv6]:rest"; more says whether there is a rest at all. The brackets are taken off, and what stood in them is an IPv6 address.
func cutHost(text string) (host, rest string, more bool, err error) {
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		host, rest, bracketed = strings.Cut(inner, "]")
		if addr, err := netip.ParseAddr(host); !bracketed || err != nil || !addr.Is6() {
			return "", "", false, errors.New("brackets must hold an IPv6 address, as in [::1]:80")
		}
		rest, more = strings.CutPrefix(rest, ":")
		if !more && rest != "" {
			return "", "", false, errors.New("must have ':' or nothing after ']'")
		}
		return host, rest, more, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Is6() {
		quoted := strconv.Quote(text) // a zone may hold anything, also what would end the line
		return "", "", false, fmt.Errorf("an IPv6 address must stand in brackets, as in [%s]:80", quoted[1:len(quoted)-1])
	}
	host, rest, more = strings.Cut(text, ":")
	return host, rest, more, nil
}

// checkHost accepts an IP address, which it returns, or a name that a resolver could know.
func checkHost(host string) (netip.Addr, error) {
	if host == "" {
		return netip.Addr{}, errors.New("host is missing")
	}
	if len(host) > 253 || strings.Trim(host, hostCharacters) != "" {
		return netip.Addr{}, errors.New("host must be a name or an address")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap(), nil
	}
	if strings.ContainsAny(host, ":%") {
		return netip.Addr{}, errors.New("host must be a name or an address")
	}
	// A top level domain is never a number (RFC 3696), so this is an address gone wrong; and 127.1 or 1 mean addresses only to some.
	if strings.Trim(host[strings.LastIndexByte(host, '.')+1:], "0123456789") == "" {
		return netip.Addr{}, errors.New("host must be a name or an address; an IPv4 address has four numbers in 0..255")
	}
	return netip.Addr{}, nil
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// hostCharacters are those of host names and of addresses with a zone.
	hostCharacters = letters + "0123456789.-_:%"
)

// parsePort accepts a port's number or the name of a service on network, which is "tcp" or "udp".
func parsePort(network, text string) (int, error) {
	if strings.ContainsAny(text, letters) {
		port, err := net.DefaultResolver.LookupPort(context.Background(), network, text)
		if err != nil || port < 1 || port > math.MaxUint16 {
			return 0, errors.New("port must be 1..65535 or the name of a service")
		}
		return port, nil
	}
	n, ok := digits(text)
	if !ok || n < 1 || n > math.MaxUint16 {
		return 0, errors.New("port must be 1..65535")
	}
	return n, nil
}

func checkPath(path string) error {
	if len(path) > maxPath || strings.ContainsRune(path, 0) {
		return fmt.Errorf("the path of a Unix socket must be 1..%d bytes, none of them 0", maxPath)
	}
	return nil
}
