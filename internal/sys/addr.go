package sys

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr is room for any address this package speaks, in the kernel's layout.
type sockaddr struct {
	unix.RawSockaddrAny
}

// putIP writes an IP endpoint and returns its length.
func (sa *sockaddr) putIP(ap netip.AddrPort) uint32 {
	if ap.Addr().Is4() {
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		in.Family = unix.AF_INET
		putPort(&in.Port, ap.Port())
		in.Addr = ap.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
	in.Family = unix.AF_INET6
	putPort(&in.Port, ap.Port())
	in.Addr = ap.Addr().As16()
	in.Scope_id = zoneID(ap.Addr().Zone())
	return unix.SizeofSockaddrInet6
}

// putPath writes a Unix socket path and returns its length; false if it is longer than the kernel's 107 bytes.
func (sa *sockaddr) putPath(path string) (uint32, bool) {
	un := (*unix.RawSockaddrUnix)(unsafe.Pointer(sa))
	un.Family = unix.AF_UNIX
	if len(path) >= len(un.Path) {
		return 0, false
	}
	for i := range len(path) {
		un.Path[i] = int8(path[i])
	}
	return uint32(2 + len(path) + 1), true
}

// ip reads an IP endpoint, v4-mapped addresses unmapped; the zero AddrPort for any other family. A link-local client's scope is dropped: it plays no part in who the client is.
func (sa *sockaddr) ip() netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), getPort(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), getPort(&in.Port))
	}
	return netip.AddrPort{}
}

// Ports stand in network order in memory, whatever the machine's own order is.
func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

func getPort(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}

// zoneID turns an IPv6 zone into an interface index; 0 (any) if there is none or it is not known.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(ifi.Index)
}

// LocalAddr returns the address a socket is bound to; the zero AddrPort for a Unix socket.
func LocalAddr(fd int) (netip.AddrPort, syscall.Errno) {
	var sa sockaddr
	n := uint32(unsafe.Sizeof(sa))
	_, _, e := syscall.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)))
	return sa.ip(), e
}
