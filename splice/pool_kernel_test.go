package splice

import (
	"syscall"
	"testing"

	"pen/internal/sys"
)

// refuse makes the kernel refuse pipes until the function it returns is called, and counts how often it was asked.
func refuse(t *testing.T, errno syscall.Errno) (asked *int, relent func()) {
	asked = new(int)
	sys.Fault.Pipe = func() syscall.Errno { *asked++; return errno }
	t.Cleanup(func() { sys.Fault.Pipe = nil })
	return asked, func() { errno = 0 }
}

func TestKernelRefusalPausesAsking(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		t.Run(errno.Error(), func(t *testing.T) {
			p := pool(t, 4, 4096)
			kept := get(t, p)
			asked, relent := refuse(t, errno)

			const calls = 10 * (refusalPause + 1)
			for i := range calls {
				if p.Get() != nil {
					t.Fatal("a pipe in spite of the refusal")
				}
				if want := 1 + i/(refusalPause+1); *asked != want {
					t.Fatalf("the kernel was asked %d times in %d calls, want %d", *asked, i+1, want)
				}
			}
			if p.Refused() != calls || p.Open() != 1 {
				t.Fatalf("refused %d of %d, open %d", p.Refused(), calls, p.Open())
			}

			p.Put(kept)
			if get(t, p) != kept {
				t.Fatal("an idle pipe is not lent during the pause")
			}

			relent()
			var second *Pipe
			for i := 0; second == nil; i++ {
				if i > refusalPause {
					t.Fatalf("no pipe in %d calls after the kernel relented", i)
				}
				second = p.Get()
			}
			p.Put(get(t, p)) // no pause is left over
			p.Put(second)
			p.Put(kept)
		})
	}
}

// Whatever size the kernel grants is used, and the smallest is what the pool reports.
func TestPoolSize(t *testing.T) {
	p := pool(t, 3, 256<<10)
	if p.Size() != 0 {
		t.Fatalf("size %d before the first pipe", p.Size())
	}
	var out []*Pipe
	for i, test := range []struct{ want, granted, smallest int }{
		{64 << 10, 64 << 10, 64 << 10},
		{5000, 8192, 8192}, // whole pages, a power of two of them
		{16 << 10, 16 << 10, 8192},
	} {
		p.want = test.want
		pipe := get(t, p)
		if pipe.Size != test.granted || p.Size() != test.smallest {
			t.Errorf("pipe %d of %d bytes: granted %d, smallest %d; want %d, %d", i, test.want, pipe.Size, p.Size(), test.granted, test.smallest)
		}
		out = append(out, pipe)
	}
	for _, pipe := range out {
		p.Put(pipe)
	}
}

// A size the kernel will not hear of (here because it is beyond 2³¹; beyond fs.pipe-max-size or the user's soft limit the answer is the same) leaves the pipe as it was born.
func TestPoolSizeRefused(t *testing.T) {
	p := pool(t, 1, 1<<31+1)
	pipe := get(t, p)
	if pipe.Size < 4096 || pipe.Size > 64<<10 || p.Size() != pipe.Size {
		t.Errorf("size %d, the pool reports %d", pipe.Size, p.Size())
	}
	p.Put(pipe)
}
