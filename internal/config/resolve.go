package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Resolve looks up every name among the addresses: where to listen, the servers, the emergency and the abuse server. It takes the first address in the resolver's own order
// (RFC 6724: ::1 may come before 127.0.0.1 for localhost), asks once for each name, and stops at the first name that cannot be found.
// The error reads `resolve "nohost": no such host`.
func (o *Options) Resolve(ctx context.Context) error {
	return o.resolve(ctx, net.DefaultResolver.LookupNetIP)
}

// lookupFunc is net.Resolver.LookupNetIP.
type lookupFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (o *Options) resolve(ctx context.Context, lookup lookupFunc) error {
	known := map[string]netip.Addr{}
	find := func(host string) (addr netip.Addr, err error) {
		addr, ok := known[host]
		if !ok {
			addr, err = first(ctx, lookup, host)
			known[host] = addr
		}
		return addr, err
	}
	if l := &o.Listen; l.Network == "tcp" && len(l.Addrs) == 0 {
		addr, err := find(l.Host)
		if err != nil {
			return err
		}
		l.Addrs = []netip.AddrPort{netip.AddrPortFrom(addr, uint16(l.Port))}
	}
	for _, s := range o.everyServer() {
		if s.Path != "" || s.Addr.IsValid() {
			continue
		}
		addr, err := find(s.Host)
		if err != nil {
			return err
		}
		s.Addr = netip.AddrPortFrom(addr, uint16(s.Port))
	}
	return nil
}

// everyServer is the servers, the emergency and the abuse server, to be changed in place.
func (o *Options) everyServer() []*Server {
	var all []*Server
	for i := range o.Servers {
		all = append(all, &o.Servers[i])
	}
	for _, s := range []*Server{o.Emergency, o.Abuse} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// first is the first address of a host.
func first(ctx context.Context, lookup lookupFunc, host string) (netip.Addr, error) {
	addrs, err := lookup(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, &resolveError{host, err}
	}
	if len(addrs) == 0 {
		return netip.Addr{}, &resolveError{host, errors.New("no address")}
	}
	return addrs[0].Unmap(), nil
}

// resolveError names the host once, where net.DNSError would name it again.
type resolveError struct {
	host  string
	cause error
}

func (e *resolveError) Error() string {
	reason := e.cause.Error()
	var dns *net.DNSError
	if errors.As(e.cause, &dns) {
		reason = dns.Err
	}
	return fmt.Sprintf("resolve %q: %s", e.host, reason)
}

func (e *resolveError) Unwrap() error { return e.cause }
