package sys

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batch sends on many sockets with one system call, which saves more than calls: whom the first of them wakes does not run in this CPU's place before the last is made. The kernel takes such lists by an
// io_uring, of which this uses nothing else; no send waits for anything, so all have been made when Submit returns. Not safe for concurrent use, but not bound to a thread.
//
// Messages lie in memory of the Batch's own, outside the Go heap, one behind the other.
type Batch struct {
	// constant after open
	ring    *FD
	queues  []byte // the two queues, shared with the kernel
	table   []byte // of what is asked for, shared with the kernel
	memory  []byte
	entries []submission
	mask    uint32 // of a place among them
	done    []completion
	head    *uint32 // of what is asked for, moved by the kernel
	tail    *uint32 // and by us
	doneTo  *uint32 // of what was answered, moved by the kernel
	readTo  *uint32 // and by us

	// of the list being made
	n       int
	used    int // bytes of memory
	results []Sent
}

// Sent is what became of one send.
type Sent struct {
	Message []byte // valid until the next message is put into Room
	N       int    // bytes of it that were taken
	Errno   syscall.Errno
}

// submission is the kernel's io_uring_sqe, as far as a send goes.
type submission struct {
	op, flags uint8
	ioprio    uint16
	fd        int32
	_         uint64
	addr      uint64
	length    uint32
	msgFlags  uint32
	word      uint64 // comes back with the answer
	_         [24]byte
}

// completion is the kernel's io_uring_cqe.
type completion struct {
	word  uint64
	res   int32
	flags uint32
}

// ringParams is the kernel's io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFD uint32
	_                                                                  [3]uint32
	sq, cq                                                             ringOffsets
}

// ringOffsets are the kernel's io_sqring_offsets and io_cqring_offsets, alike but for three words: of what is asked for the last is where its order stands, of the answers the middle one is where they stand.
type ringOffsets struct {
	head, tail, mask, entries, a, b, c, _ uint32
	_                                     uint64
}

// ringRestriction is the kernel's io_uring_restriction.
type ringRestriction struct {
	kind uint16
	op   uint8
	_    [13]byte
}

// Of linux/io_uring.h.
const (
	opSend = 26

	setupDisabled  = 1 << 6 // until it has its restrictions
	setupSubmitAll = 1 << 7 // Linux 5.18: one that fails does not keep the rest from being sent
	featSingleMmap = 1 << 0

	registerRestrictions = 11
	registerEnable       = 12
	restrictOp           = 1

	enterGetEvents = 1

	offQueues = 0
	offTable  = 0x10000000
)

// OpenBatch makes room for so many messages, a power of two, and so many bytes of them. The kernel may have no io_uring (ENOSYS), an old one (EINVAL), or keep it from us (EPERM).
// What is opened can send, and nothing else, in whosever hands it falls: system call filters do not see what goes through it.
func OpenBatch(messages, bytes int) (b *Batch, err error) {
	p := ringParams{flags: setupDisabled | setupSubmitAll}
	fd, _, e := syscall.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(messages), uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return nil, os.NewSyscallError("io_uring_setup", e)
	}
	b = &Batch{ring: Own(int(fd))}
	defer func() {
		if err != nil {
			b.Close()
			b = nil
		}
	}()
	if p.features&featSingleMmap == 0 || int(p.sqEntries) != messages {
		return b, fmt.Errorf("io_uring_setup: %w", syscall.EINVAL)
	}
	only := ringRestriction{kind: restrictOp, op: opSend}
	if err = b.register(registerRestrictions, unsafe.Pointer(&only), 1); err != nil {
		return b, err
	}
	if err = b.register(registerEnable, nil, 0); err != nil {
		return b, err
	}
	size := max(p.sq.c+p.sqEntries*4, p.cq.b+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	if b.queues, err = shared(b.ring.Int(), offQueues, int(size)); err != nil {
		return b, err
	}
	if b.table, err = shared(b.ring.Int(), offTable, messages*int(unsafe.Sizeof(submission{}))); err != nil {
		return b, err
	}
	if b.memory, err = unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return b, os.NewSyscallError("mmap", err)
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b.queues[offset])) }
	b.head, b.tail, b.readTo, b.doneTo = at(p.sq.head), at(p.sq.tail), at(p.cq.head), at(p.cq.tail)
	b.entries = unsafe.Slice((*submission)(unsafe.Pointer(&b.table[0])), messages)
	b.done = unsafe.Slice((*completion)(unsafe.Pointer(&b.queues[p.cq.b])), p.cqEntries)
	b.mask = p.sqEntries - 1
	order := unsafe.Slice(at(p.sq.c), messages)
	for i := range order {
		order[i] = uint32(i)
	}
	b.results = make([]Sent, messages)
	return b, nil
}

func (b *Batch) register(what int, arg unsafe.Pointer, n int) error {
	_, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(b.ring.Int()), uintptr(what), uintptr(arg), uintptr(n), 0, 0)
	if e != 0 {
		return os.NewSyscallError("io_uring_register", e)
	}
	return nil
}

func shared(fd int, offset int64, size int) ([]byte, error) {
	p, err := unix.Mmap(fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return p, os.NewSyscallError("mmap", err)
}

// Len is how many messages are on the list, which takes as many as OpenBatch was told.
func (b *Batch) Len() int { return b.n }

// Room is the memory that is left, where the next message may be put before Add.
func (b *Batch) Room() []byte { return b.memory[b.used:] }

// Add puts the first n bytes of Room on the list, for a socket. There must not be a message for the same one already, which it might overtake.
func (b *Batch) Add(fd, n int) {
	b.results[b.n] = Sent{Message: b.memory[b.used : b.used+n : b.used+n]}
	b.entries[(*b.tail+uint32(b.n))&b.mask] = submission{
		op: opSend, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&b.memory[b.used]))), length: uint32(n),
		msgFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, word: uint64(b.n),
	}
	b.n++
	b.used += (n + cacheLine - 1) &^ (cacheLine - 1)
}

const cacheLine = 64

// Submit sends all that is on the list, which is empty afterwards, and says what became of each message, in order. A single message goes without the list, and so does what the kernel would not take from it.
func (b *Batch) Submit() []Sent {
	sent := b.results[:b.n]
	b.n, b.used = 0, 0
	first, taken := *b.tail, 0
	if len(sent) > 1 {
		atomic.StoreUint32(b.tail, first+uint32(len(sent)))
		taken = b.enter(len(sent), 0, 0)
		atomic.StoreUint32(b.tail, atomic.LoadUint32(b.head)) // the rest, if any, is off the list
	}
	for answers := 0; answers < taken; {
		n := b.collect(sent)
		if answers += n; n == 0 { // none of these sends may wait; should one all the same, its message must stay where it is until it has gone
			b.enter(0, 1, enterGetEvents)
		}
	}
	for i := taken; i < len(sent); i++ {
		s := &sent[i]
		s.N, s.Errno = Send(int(b.entries[(first+uint32(i))&b.mask].fd), s.Message)
	}
	return sent
}

// enter has the kernel take so many from the list, and wait for so many answers. It returns how many were taken.
func (b *Batch) enter(n, answers int, flags uintptr) int {
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(b.ring.Int()), uintptr(n), uintptr(answers), flags, 0, 0)
		switch e {
		case 0:
			return int(r)
		case unix.EINTR:
			continue
		}
		return 0
	}
}

// collect takes the answers that are there.
func (b *Batch) collect(sent []Sent) (n int) {
	from, to := *b.readTo, atomic.LoadUint32(b.doneTo)
	for ; from != to; from++ {
		c := &b.done[from&uint32(len(b.done)-1)]
		s := &sent[c.word]
		if c.res < 0 {
			s.Errno = syscall.Errno(-c.res)
		} else {
			s.N, s.Errno = int(c.res), 0
		}
		n++
	}
	atomic.StoreUint32(b.readTo, to)
	return n
}

// Close gives everything back.
func (b *Batch) Close() error {
	if b == nil {
		return nil
	}
	for _, p := range [][]byte{b.memory, b.table, b.queues} {
		if p != nil {
			unix.Munmap(p)
		}
	}
	b.memory, b.table, b.queues = nil, nil, nil
	return b.ring.Close()
}
