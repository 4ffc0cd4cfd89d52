package sys

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestCPUs(t *testing.T) {
	cpus, err := CPUs()
	if err != nil || len(cpus) == 0 {
		t.Fatalf("%v, %v", cpus, err)
	}
	if !slices.IsSorted(cpus) {
		t.Errorf("not ascending: %v", cpus)
	}
}

func TestPin(t *testing.T) {
	all, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	var threads []int
	for _, cpu := range all {
		onThread(t, func() error {
			if err := Pin(cpu); err != nil {
				return err
			}
			threads = append(threads, unix.Gettid())
			got, err := CPUs()
			if err != nil {
				return err
			}
			var on uint32
			if _, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&on)), 0, 0); e != 0 {
				return e
			}
			if !slices.Equal(got, []int{cpu}) || int(on) != cpu {
				return fmt.Errorf("pinned to %d: may run on %v, runs on %d", cpu, got, on)
			}
			return nil
		})
	}
	for _, tid := range threads { // a pinned thread is never used for anything else
		task := "/proc/self/task/" + strconv.Itoa(tid)
		deadline := time.Now().Add(patience)
		for _, err := os.Stat(task); err == nil; _, err = os.Stat(task) {
			if time.Now().After(deadline) {
				t.Fatalf("thread %d lives on", tid)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if after, err := CPUs(); !slices.Equal(all, after) || err != nil {
		t.Errorf("the process may run on %v now, on %v before, %v", after, all, err)
	}
}

func TestPinToNoCPU(t *testing.T) {
	for _, cpu := range []int{1023, 100_000} {
		onThread(t, func() error {
			if err := Pin(cpu); !errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("pin to CPU %d: %v, want EINVAL", cpu, err)
			}
			return nil
		})
	}
}
