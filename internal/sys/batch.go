package sys

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batch connects and sends on many sockets with one system call, which saves more than calls: whom the first of them wakes does not run in this CPU's place before the last is made. The kernel takes such lists
// by an io_uring, of which this uses nothing else; nothing on a list is waited for, and nothing of it is under way in the ring when Submit returns. Not safe for concurrent use, but not bound to a thread.
//
// Messages and addresses lie in memory of the Batch's own, outside the Go heap, one behind the other.
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

	cutErrno syscall.Errno // what the last cut was told
}

// Sent is what became of one send, or of one connect.
type Sent struct {
	Message []byte // valid until the next message is put into Room; nil of a connect
	N       int    // bytes of it that were taken
	Errno   syscall.Errno
}

// submission is the kernel's io_uring_sqe, as far as what a Batch asks for goes.
type submission struct {
	op, flags uint8
	ioprio    uint16
	fd        int32
	addrLen   uint64 // of a connect
	addr      uint64
	length    uint32
	opFlags   uint32
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
	what uint8 // is allowed
	_    [13]byte
}

// Of linux/io_uring.h.
const (
	opCancel  = 14
	opConnect = 16
	opSend    = 26

	linked    = 1 << 2      // the next one is not begun before this one has succeeded
	cancelAll = 1<<0 | 1<<2 // whatever is under way, Linux 5.19

	setupDisabled  = 1 << 6 // until it has its restrictions
	setupSubmitAll = 1 << 7 // Linux 5.18: one that fails does not keep the rest from being sent
	featSingleMmap = 1 << 0

	registerRestrictions = 11
	registerEnable       = 12
	restrictOp           = 1
	restrictFlags        = 2

	enterGetEvents = 1

	offQueues = 0
	offTable  = 0x10000000
)

// OpenBatch makes room for so many messages, a power of two, and so many bytes of them. The kernel may have no io_uring (ENOSYS), an old one (EINVAL), or keep it from us (EPERM).
// What is opened can connect, send and cancel what it was asked for, and nothing else, in whosever hands it falls: system call filters do not see what goes through it.
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
	only := [...]ringRestriction{{kind: restrictOp, what: opConnect}, {kind: restrictOp, what: opSend}, {kind: restrictOp, what: opCancel}, {kind: restrictFlags, what: linked}}
	if err = b.register(registerRestrictions, unsafe.Pointer(&only), len(only)); err != nil {
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
	b.cutErrno = unix.ENOSYS
	b.cut()
	b.collect(nil)
	if b.cutErrno != 0 && b.cutErrno != unix.ENOENT { // there was nothing to cut
		return b, fmt.Errorf("cancel in an io_uring: %w", b.cutErrno)
	}
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

// Len is how many messages and connects are on the list, which takes as many as OpenBatch was told.
func (b *Batch) Len() int { return b.n }

// Room is the memory that is left, where the next message may be put before Add.
func (b *Batch) Room() []byte { return b.memory[b.used:] }

// AddConnect puts the connect of a socket, new or made so by Disconnect, on the list; its address takes AddressRoom of Room. What becomes of it is told in ConnectIP's words, but for a server that has answered before Submit returns: then it
// stands. The socket's first message may follow at once: it is sent once the connect stands, and else told EAGAIN.
func (b *Batch) AddConnect(fd int, to netip.AddrPort) {
	b.results[b.n] = Sent{}
	n := (*sockaddr)(unsafe.Pointer(&b.memory[b.used])).putIP(to)
	b.enlist(submission{op: opConnect, fd: int32(fd), addrLen: uint64(n)}, AddressRoom)
}

// AddressRoom is what an address takes of Room, bytes.
const AddressRoom = (unix.SizeofSockaddrAny + cacheLine - 1) &^ (cacheLine - 1)

// Add puts the first n bytes of Room, at least one, on the list, for a socket. There must not be a message for the same one already, which it might overtake.
func (b *Batch) Add(fd, n int) {
	if b.n > 0 {
		if before := b.entry(b.n - 1); before.op == opConnect && before.fd == int32(fd) {
			before.flags = linked
		}
	}
	b.results[b.n] = Sent{Message: b.memory[b.used : b.used+n : b.used+n]}
	b.enlist(submission{op: opSend, fd: int32(fd), length: uint32(n), opFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL}, n)
}

// entry is the i-th of the list being made.
func (b *Batch) entry(i int) *submission { return &b.entries[(*b.tail+uint32(i))&b.mask] }

// enlist is for what lies in the first n bytes of Room.
func (b *Batch) enlist(what submission, n int) {
	what.addr, what.word = uint64(uintptr(unsafe.Pointer(&b.memory[b.used]))), uint64(b.n)
	*b.entry(b.n) = what
	b.n++
	b.used += (n + cacheLine - 1) &^ (cacheLine - 1)
}

const cacheLine = 64

// Submit does all that is on the list, which is empty afterwards, and says what became of each, in order. A single message goes without the list, and so does what the kernel would not take from it.
func (b *Batch) Submit() []Sent {
	sent := b.results[:b.n]
	b.n, b.used = 0, 0
	first, taken := *b.tail, 0
	if len(sent) > 1 || len(sent) == 1 && b.entry(0).op == opConnect {
		atomic.StoreUint32(b.tail, first+uint32(len(sent)))
		taken = b.enter(len(sent), 0, 0)
		atomic.StoreUint32(b.tail, atomic.LoadUint32(b.head)) // the rest, if any, is off the list
	}
	for answers, hurried := 0, false; answers < taken; {
		n := b.collect(sent)
		answers += n
		switch {
		case n > 0:
		case !hurried: // connects whose servers are still to answer
			b.cut()
			hurried = true
		default: // nothing else may wait; should it all the same, what was given to the kernel must stay where it is
			b.enter(0, 1, enterGetEvents)
		}
	}
	for i := taken; i < len(sent); i++ {
		s, what := &sent[i], &b.entries[(first+uint32(i))&b.mask]
		if what.op == opConnect {
			address := what.addr - uint64(uintptr(unsafe.Pointer(&b.memory[0])))
			s.Errno = connectRaw(int(what.fd), (*sockaddr)(unsafe.Pointer(&b.memory[address])), uint32(what.addrLen))
		} else {
			s.N, s.Errno = Send(int(what.fd), s.Message)
		}
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

// cut ends the ring's waiting for connects, which go on by themselves. The list must be empty, or have been taken.
func (b *Batch) cut() {
	*b.entry(0) = submission{op: opCancel, fd: -1, opFlags: cancelAll, word: ofCut}
	atomic.StoreUint32(b.tail, *b.tail+1)
	b.enter(1, 0, 0)
	atomic.StoreUint32(b.tail, atomic.LoadUint32(b.head))
}

// ofCut is the word of a cut's answer.
const ofCut = math.MaxUint64

// collect takes the answers that are there.
func (b *Batch) collect(sent []Sent) (n int) {
	from, to := *b.readTo, atomic.LoadUint32(b.doneTo)
	for ; from != to; from++ {
		c := &b.done[from&uint32(len(b.done)-1)]
		if c.word == ofCut {
			b.cutErrno = syscall.Errno(max(-c.res, 0))
			continue
		}
		s := &sent[c.word]
		switch e := syscall.Errno(max(-c.res, 0)); {
		case e != unix.ECANCELED:
			s.N, s.Errno = int(max(c.res, 0)), e
		case s.Message == nil: // a connect that was cut
			s.Errno = unix.EINPROGRESS
		default: // the message behind one, or behind one that failed
			s.Errno = unix.EAGAIN
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
