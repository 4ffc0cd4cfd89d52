package confine

import (
	"slices"
	"syscall"
)

// calls is every system call that a running balancer makes whatever its arguments, the loops' first: an old kernel walks the list for each call, a newer one (5.11) remembers the verdict by number.
// Those that an architecture does not have are left out there. What is deliberately not here: execve, fork (see partial), ptrace, mount, bpf, keyctl, setuid and their kin;
// and what makes an io_uring or widens one: the loops' own (sys.Batch) are made before and can send, nothing else.
var calls = slices.Concat(moving, runtimes, filing)

// moving is for connections, pipes and polling.
var moving = []string{
	"recvfrom", "sendto", "io_uring_enter", "epoll_ctl", "epoll_pwait", "splice", "accept4", "connect", "close", "shutdown", "setsockopt", "getsockopt", "read", "write",
	"bind", "listen", "getsockname", "getpeername", "fcntl", "pipe2", "readv", "writev", "recvmsg", "sendmsg", "recvmmsg", "sendmmsg", "accept", "socketpair",
	"epoll_create1", "epoll_pwait2", "epoll_wait", "poll", "ppoll", "eventfd2", "timerfd_create", "timerfd_settime", "sendfile",
}

// runtimes is for the Go runtime, the C library under it in a build with cgo, and the race detector.
var runtimes = []string{
	"futex", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler",
	"munmap", "mremap", "madvise", "mincore", "brk", "membarrier", "rseq", "set_robust_list", "get_robust_list", "getrandom",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "tgkill", "gettid", "getpid", "getuid", "geteuid", "getgid", "getegid", "getcpu",
	"exit", "exit_group", "restart_syscall", "uname", "sysinfo", "getrlimit", "times", "getrusage",
}

// filing is for the access log, the configuration, the status page, the resolver's files.
var filing = []string{
	"openat", "openat2", "open", "fstat", "stat", "lstat", "newfstatat", "statx", "lseek", "pread64", "pwrite64", "ftruncate", "fsync", "fdatasync", "fchmod", "fchmodat", "umask",
	"rename", "renameat", "renameat2", "unlink", "unlinkat", "readlink", "readlinkat", "access", "faccessat", "faccessat2", "getdents64", "getcwd", "dup", "dup2", "dup3", "fstatfs", "statfs", "copy_file_range",
}

const (
	cloneThread = 0x10000    // CLONE_THREAD
	prSetVMA    = 0x53564d41 // PR_SET_VMA
	prSetName   = 15         // PR_SET_NAME
	siocOutQ    = 0x5411     // what the peer has not acknowledged
	siocInQ     = 0x541b
	siocGIFIdx  = 0x8933 // SIOCGIFINDEX: the number of an IPv6 zone
)

// partial are calls of which some are made and some are not: what is asked of one argument. All these are 32 bits wide in the kernel or have their meaning in the lower half, except where isNull looks at both.
var partial = []condition{
	{"socket", 0, isOneOf, []uint32{syscall.AF_INET, syscall.AF_INET6, syscall.AF_UNIX, syscall.AF_NETLINK}}, // the last lists our own interfaces and addresses
	{"mmap", 2, hasNot, []uint32{syscall.PROT_EXEC}},                                                         // no new code
	{"mprotect", 2, hasNot, []uint32{syscall.PROT_EXEC}},
	{"clone", 0, has, []uint32{cloneThread}}, // threads, no processes
	{"ioctl", 1, isOneOf, []uint32{siocOutQ, siocInQ, siocGIFIdx}},
	{"prctl", 0, isOneOf, []uint32{prSetVMA, prSetName}}, // names for what we have
	{"prlimit64", 2, isNull, nil},                        // ask only
}

// absent are calls for which a refusal is told as an old kernel would: the C library then makes its threads with clone, whose flags can be seen.
var absent = []string{"clone3"}
