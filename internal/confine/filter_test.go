package confine

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// judge is the verdict of a filter on a call, without a kernel. The virtual machine reads words the network's way round, as no seccomp filter does: they are written for it so.
func judge(t *testing.T, here *arch.Info, auditArch uint32, number uint32, args ...uint64) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(program(here, refuse))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, argumentsAt+6*2*word)
	binary.BigEndian.PutUint32(data[numberAt:], number)
	binary.BigEndian.PutUint32(data[archAt:], auditArch)
	for i, v := range args {
		binary.BigEndian.PutUint32(data[argumentsAt+2*word*i:], uint32(v))
		binary.BigEndian.PutUint32(data[argumentsAt+2*word*i+word:], uint32(v>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

func TestVerdicts(t *testing.T) {
	for _, here := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		for _, test := range []struct {
			call string
			args []uint64
			want uint32
		}{
			{"recvfrom", nil, allow},
			{"openat", nil, allow},
			{"execve", nil, refuse}, {"execveat", nil, refuse}, {"ptrace", nil, refuse}, {"mount", nil, refuse}, {"bpf", nil, refuse}, {"io_uring_setup", nil, refuse},
			{"setuid", nil, refuse}, {"capset", nil, refuse}, {"seccomp", nil, refuse}, {"unshare", nil, refuse}, {"chroot", nil, refuse}, {"kill", nil, refuse}, {"mknodat", nil, refuse},
			{"clone3", nil, unknown},
			{"clone", []uint64{cloneThread | 0xf00}, allow},
			{"clone", []uint64{uint64(syscall.SIGCHLD)}, refuse},
			{"socket", []uint64{syscall.AF_INET}, allow}, {"socket", []uint64{syscall.AF_INET6}, allow}, {"socket", []uint64{syscall.AF_UNIX}, allow},
			{"socket", []uint64{syscall.AF_PACKET}, refuse}, {"socket", []uint64{38}, refuse},
			// What one argument has is never taken for the number of another call.
			{"socket", []uint64{uint64(here.SyscallNames["mmap"])}, refuse}, {"socket", []uint64{uint64(here.SyscallNames["read"]) + 1<<20}, refuse},
			{"mmap", []uint64{0, 4096, syscall.PROT_READ | syscall.PROT_WRITE}, allow},
			{"mmap", []uint64{0, 4096, syscall.PROT_READ | syscall.PROT_EXEC}, refuse},
			{"mprotect", []uint64{0, 4096, syscall.PROT_READ}, allow},
			{"mprotect", []uint64{0, 4096, syscall.PROT_EXEC}, refuse},
			{"ioctl", []uint64{0, siocOutQ}, allow}, {"ioctl", []uint64{0, syscall.TIOCSTI}, refuse},
			{"prctl", []uint64{prSetVMA}, allow}, {"prctl", []uint64{prSetSecurebits}, refuse},
			{"prlimit64", []uint64{0, 7, 0, 1}, allow}, {"prlimit64", []uint64{0, 7, 8, 1}, refuse}, {"prlimit64", []uint64{0, 7, 1 << 40, 1}, refuse},
		} {
			n, ok := here.SyscallNames[test.call]
			if !ok {
				t.Fatalf("%s has no %s", here.Name, test.call)
			}
			if got := judge(t, here, uint32(here.ID), uint32(n), test.args...); got != test.want {
				t.Errorf("%s: %s%v: %#x, want %#x", here.Name, test.call, test.args, got, test.want)
			}
		}
		read := uint32(here.SyscallNames["read"])
		if got := judge(t, here, uint32(arch.I386.ID), read); got != refuse {
			t.Errorf("%s: a 32-bit program's call is given %#x", here.Name, got)
		}
		if got := judge(t, here, uint32(here.ID), read|0x40000000); got != refuse {
			t.Errorf("%s: an x32 call is given %#x", here.Name, got)
		}
	}
}

// Each call is on one list, once, and is known to one of the architectures: a slip of the pen would leave it out in silence.
func TestLists(t *testing.T) {
	var names []string
	names = append(append(names, calls...), absent...)
	for _, c := range partial {
		names = append(names, c.call)
	}
	for i, name := range names {
		_, intel := arch.X86_64.SyscallNames[name]
		_, arm := arch.AARCH64.SyscallNames[name]
		if !intel && !arm {
			t.Errorf("nobody has %s", name)
		}
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is listed twice", name)
		}
	}
}

// docs/security.md tells every call that is made, whole or in part: what a test of the running program holds it against.
func TestTheDocumentNamesEveryCall(t *testing.T) {
	content, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "```calls\n")
	block, _, _ := strings.Cut(rest, "```")
	want := slices.Clone(calls)
	for _, c := range partial {
		want = append(want, c.call)
	}
	slices.Sort(want)
	if got := strings.Fields(block); !slices.Equal(got, want) {
		t.Errorf("the document has\n%s\nthe filter\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// forbidden are calls that somebody who has taken the process over would want. None would do harm if it were allowed.
var forbidden = []struct {
	name string
	args [6]uintptr
}{
	{"execve", [6]uintptr{}}, {"execveat", [6]uintptr{}}, {"ptrace", [6]uintptr{}}, {"mount", [6]uintptr{}}, {"umount2", [6]uintptr{}}, {"unshare", [6]uintptr{}}, {"setns", [6]uintptr{}},
	{"bpf", [6]uintptr{}}, {"io_uring_setup", [6]uintptr{}}, {"keyctl", [6]uintptr{}}, {"add_key", [6]uintptr{}}, {"perf_event_open", [6]uintptr{}}, {"userfaultfd", [6]uintptr{}},
	{"process_vm_readv", [6]uintptr{}}, {"process_vm_writev", [6]uintptr{}}, {"open_by_handle_at", [6]uintptr{}}, {"init_module", [6]uintptr{}}, {"kexec_load", [6]uintptr{}},
	{"chroot", [6]uintptr{}}, {"pivot_root", [6]uintptr{}}, {"mknodat", [6]uintptr{}}, {"linkat", [6]uintptr{}}, {"symlinkat", [6]uintptr{}}, {"setxattr", [6]uintptr{}}, {"fchownat", [6]uintptr{}},
	{"setuid", [6]uintptr{}}, {"setgid", [6]uintptr{}}, {"setgroups", [6]uintptr{}}, {"capset", [6]uintptr{}}, {"personality", [6]uintptr{}}, {"setpriority", [6]uintptr{}},
	{"pidfd_getfd", [6]uintptr{}}, {"memfd_create", [6]uintptr{}}, {"seccomp", [6]uintptr{}},
	{"clone", [6]uintptr{uintptr(syscall.SIGCHLD)}}, {"socket", [6]uintptr{syscall.AF_PACKET, syscall.SOCK_RAW}}, {"socket", [6]uintptr{38, syscall.SOCK_SEQPACKET}},
	{"mmap", [6]uintptr{0, 4096, syscall.PROT_READ | syscall.PROT_EXEC, syscall.MAP_PRIVATE | syscall.MAP_ANON, ^uintptr(0)}}, {"mprotect", [6]uintptr{0, 0, syscall.PROT_EXEC}},
	{"ioctl", [6]uintptr{0, syscall.TIOCSTI}}, {"prctl", [6]uintptr{8}}, {"kill", [6]uintptr{1 << 22, 0}},
}

func init() {
	roles["forbidden"] = func() {
		here, err := arch.GetInfo("")
		if err != nil {
			panic(err)
		}
		try := make(chan struct{})
		tried := make(chan struct{})
		go func() { // a thread that was there before the filter
			defer close(tried)
			runtime.LockOSThread()
			try <- struct{}{}
			<-try
			for _, f := range forbidden {
				_, _, e := syscall.RawSyscall6(uintptr(here.SyscallNames[f.name]), f.args[0], f.args[1], f.args[2], f.args[3], f.args[4], f.args[5])
				fmt.Printf("%s: %v\n", f.name, e)
			}
		}()
		<-try
		for _, line := range Enter(Limits{Seccomp: On, AllCaps: true}) {
			fmt.Println(line)
		}
		try <- struct{}{}
		<-tried
		fmt.Println("exec:", exec.Command("/bin/true").Run())
		var one [1]struct{ read, write int32 }
		_, _, e := syscall.RawSyscall(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&one)), 0, 0)
		fmt.Println("pipe2:", e)
	}
	roles["logged"] = func() {
		for _, line := range Enter(Limits{Seccomp: Log, AllCaps: true}) {
			fmt.Println(line)
		}
		fmt.Println(exec.Command("/bin/true").Run(), os.Getpid() > 0)
	}
}

// What is on no list is refused by the kernel, in a thread that is older than the filter as well; what is on one works.
func TestForbidden(t *testing.T) {
	var want []string
	for _, f := range forbidden {
		want = append(want, f.name+": operation not permitted")
	}
	want = append(want, "exec: ", "pipe2: errno 0")
	got := play(t, "forbidden")
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %q", len(got), len(want), got)
	}
	for i, line := range got {
		if line != want[i] && (!strings.HasPrefix(want[i], "exec") || !strings.HasSuffix(line, "operation not permitted")) {
			t.Errorf("%q, want %q", line, want[i])
		}
	}
}

// With log everything goes on as if there were no filter.
func TestLogged(t *testing.T) {
	if got := play(t, "logged"); !slices.Equal(got, []string{"<nil> true"}) {
		t.Errorf("%q", got)
	}
}

func TestParseSeccomp(t *testing.T) {
	for text, want := range map[string]Seccomp{"off": Off, "log": Log, "on": On} {
		if got, err := ParseSeccomp(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := ParseSeccomp("maybe"); err == nil || err.Error() != `seccomp "maybe": must be on, log or off` {
		t.Error(err)
	}
}
