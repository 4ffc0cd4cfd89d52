package loop

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"pen/internal/sys"
)

// Steer says which loop a new connection goes to.
type Steer uint8

// The ways to steer.
const (
	SteerOff    Steer = iota // the kernel's own hash of addresses and ports
	SteerCPU                 // the loop on the CPU that took the packet
	SteerClient              // a loop chosen by the client's address: one client always meets the same loop
)

// ParseSteer reads off, cpu or client.
func ParseSteer(s string) (Steer, error) {
	switch s {
	case "off":
		return SteerOff, nil
	case "cpu":
		return SteerCPU, nil
	case "client":
		return SteerClient, nil
	}
	return SteerOff, fmt.Errorf("steer %q: expected off, cpu or client", s)
}

// Endpoint is where clients come in: an IP address and port, or the path of a Unix socket.
type Endpoint struct {
	IP        netip.AddrPort
	DualStack bool   // an IPv6 listener that takes IPv4 clients as well
	Path      string // not empty: a Unix socket
}

func (e Endpoint) String() string {
	if e.Path != "" {
		return e.Path
	}
	return e.IP.String()
}

// IsAt reports whether a listener at an address, or at the path of a Unix socket, is one that the endpoint asks for.
func (e Endpoint) IsAt(addr netip.AddrPort, path string) bool {
	if e.Path != "" || path != "" {
		return e.Path == path
	}
	wants := netip.AddrPortFrom(e.IP.Addr().WithZone(""), e.IP.Port()) // a socket's own address has none
	return addr == wants || e.DualStack && addr == noIPv6(wants)
}

// noIPv6 is what stands in for a dual-stack address where the kernel has no IPv6.
func noIPv6(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
}

// listen opens one listener per loop, or takes over those passed on. All or nothing.
func listen(cfg *Config) ([]*sys.FD, error) {
	if cfg.Steer != SteerOff && len(cfg.Inherited) > 0 && len(cfg.Inherited) != cfg.Loops {
		for _, fd := range cfg.Inherited {
			fd.Close()
		}
		return nil, fmt.Errorf("steer: %d listeners are inherited for %d loops: --steer wants one for each", len(cfg.Inherited), cfg.Loops)
	}
	fds, err := open(cfg)
	if err != nil || cfg.Endpoint.Path != "" {
		return fds, err
	}
	at := cfg.Endpoint.IP
	if name := cfg.congestion(at.Addr()); name != "" {
		for _, fd := range fds {
			if e := sys.SetCongestion(fd.Int(), name); e != 0 {
				err = fmt.Errorf("congestion control %q: %w", name, e)
			}
		}
	}
	if err == nil {
		err = cfg.steer(fds[0].Int())
	}
	if err != nil {
		for _, fd := range fds {
			fd.Close()
		}
		return nil, err
	}
	return fds, nil
}

// open opens one listener per loop, or takes over those passed on.
func open(cfg *Config) ([]*sys.FD, error) {
	if len(cfg.Inherited) > 0 {
		return sys.Inherit(cfg.Inherited, cfg.Loops, cfg.Backlog, cfg.Tuning)
	}
	if cfg.Endpoint.Path != "" {
		fds, err := sys.ListenUnix(cfg.Endpoint.Path, cfg.Loops, cfg.Backlog)
		return fds, advise(err)
	}
	at, dual := cfg.Endpoint.IP, cfg.Endpoint.DualStack
	fds, err := sys.ListenTCP(at, dual, cfg.Loops, cfg.Backlog, cfg.Tuning)
	if dual && errors.Is(err, syscall.EAFNOSUPPORT) { // a kernel without IPv6
		fds, err = sys.ListenTCP(noIPv6(at), false, cfg.Loops, cfg.Backlog, cfg.Tuning)
	}
	return fds, advise(err)
}

// steer gives the listeners of an address, of which one is told, the program that picks one of them for each connection.
func (cfg *Config) steer(fd int) error {
	switch cfg.Steer {
	case SteerCPU:
		return sys.SteerByCPU(fd, cfg.steerCPUs())
	case SteerClient:
		return sys.SteerByClient(fd, cfg.Loops)
	}
	return nil
}

// advise adds the remedy an operator needs to the two refusals met most.
func advise(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w (another process listens there; is pen already running?)", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w (ports below 1024 need root or CAP_NET_BIND_SERVICE)", err)
	}
	return err
}
