package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Offsets a classic filter can read beyond the packet's data (linux/filter.h): the network header, and the processor the packet is handled on.
const (
	skfNetOff = ^uint32(0x100000) + 1
	skfCPU    = ^uint32(0x1000) + 1 + 36
)

// SteerByCPU makes a group of reuseport listeners give a connection to the one at the position of the CPU that took its packet in cpus; a packet from elsewhere goes to position CPU mod len(cpus).
func SteerByCPU(listener int, cpus []int) error {
	prog := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: skfCPU}}
	for i, cpu := range cpus {
		prog = append(prog,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(cpu), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(i)})
	}
	return attachSteering(listener, prog, len(cpus))
}

// SteerByClient makes a group of n reuseport listeners give all connections of one client address to the same one: the address's words folded, multiplied by Knuth's 2654435761 and reduced by the high bits.
// IPv4 packets, also those met by a dual-stack listener, are told by their version nibble.
func SteerByClient(listener, n int) error {
	word := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: skfNetOff + off}
	}
	toX := unix.SockFilter{Code: unix.BPF_MISC | unix.BPF_TAX}
	xor := unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X}
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: skfNetOff},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x60, Jt: 2}, // IPv6: two on
		word(12), // IPv4 source
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 10},
		word(8), toX, word(12), xor, toX, word(16), xor, toX, word(20), xor, // IPv6 source
		{Code: unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K, K: 2654435761},
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 8},
	}
	return attachSteering(listener, prog, n)
}

// attachSteering gives the program, ended by A mod n, to the listener's whole group. A listener without siblings has no choice to make, and no group in the kernel that could take a program.
func attachSteering(listener int, prog []unix.SockFilter, n int) error {
	if n == 1 {
		return nil
	}
	prog = append(prog,
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(n)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_A})
	if len(prog) > unix.BPF_MAXINSNS {
		return fmt.Errorf("steering program of %d instructions, the kernel takes %d", len(prog), unix.BPF_MAXINSNS)
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	return os.NewSyscallError("setsockopt SO_ATTACH_REUSEPORT_CBPF", unix.SetsockoptSockFprog(listener, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &fprog))
}
