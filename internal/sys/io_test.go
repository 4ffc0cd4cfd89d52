package sys

import (
	"bytes"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRecvAndSend(t *testing.T) {
	client, server := tcpPair(t, Tuning{})
	buf := make([]byte, 4)
	if n, e := Recv(server.Int(), buf); n != 0 || e != syscall.EAGAIN {
		t.Errorf("with nothing there: %d, %v", n, e)
	}
	if n, e := Send(client.Int(), []byte("abcdef")); n != 6 || e != 0 {
		t.Fatalf("send: %d, %v", n, e)
	}
	for _, want := range []string{"abcd", "ef"} {
		if n, e := recv(t, server.Int(), buf); string(buf[:n]) != want || e != 0 {
			t.Errorf("received %q, %v; want %q", buf[:n], e, want)
		}
	}
	client.Close()
	for range 2 {
		if n, e := recv(t, server.Int(), buf); n != 0 || e != 0 {
			t.Errorf("after the peer's close: %d, %v; want end of file", n, e)
		}
	}
}

// The calls never block, whatever the descriptor is like.
func TestRecvAndSendOnBlockingSocket(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	owned(t, fds[0])
	owned(t, fds[1])
	block := make([]byte, 64<<10)
	if n, e := Recv(fds[0], block); n != 0 || e != syscall.EAGAIN {
		t.Fatalf("recv: %d, %v; want EAGAIN", n, e)
	}
	sent := 0
	for {
		n, e := Send(fds[0], block)
		if e == syscall.EAGAIN {
			break
		}
		if e != 0 || n == 0 {
			t.Fatalf("send: %d, %v", n, e)
		}
		sent += n
	}
	for got := 0; got < sent; {
		n, e := Recv(fds[1], block)
		if e != 0 {
			t.Fatal(e)
		}
		got += n
	}
}

// A write to a peer that is gone raises no SIGPIPE: of that and the signal the test raises itself afterwards, only the latter arrives.
func TestSendRaisesNoSignal(t *testing.T) {
	const marker = syscall.SIGWINCH // numbered above SIGPIPE, so delivered after it if both wait
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGPIPE, marker)
	defer signal.Stop(signals)
	client, _ := tcpPair(t, Tuning{})
	ShutWrite(client.Int())
	if n, e := Send(client.Int(), []byte("x")); n != 0 || e != syscall.EPIPE {
		t.Fatalf("send: %d, %v; want EPIPE", n, e)
	}
	if err := unix.Kill(unix.Getpid(), marker); err != nil {
		t.Fatal(err)
	}
	if got := <-signals; got != marker {
		t.Errorf("raises %v", got)
	}
}

func TestSplice(t *testing.T) {
	client, server := tcpPair(t, Tuning{})
	r, w, _, e := Pipe(64 << 10)
	if e != 0 {
		t.Fatal(e)
	}
	owned(t, r)
	owned(t, w)
	if n, e := Splice(server.Int(), w, 4096); n != 0 || e != syscall.EAGAIN {
		t.Errorf("with nothing there: %d, %v", n, e)
	}
	want := bytes.Repeat([]byte("pen"), 1000)
	Send(client.Int(), want)
	shows(t, server.Int(), In, patience)
	if n, e := Splice(server.Int(), w, 3000); n != 3000 || e != 0 {
		t.Fatalf("into the pipe: %d, %v", n, e)
	}
	if n, e := Splice(r, server.Int(), 3000); n != 3000 || e != 0 {
		t.Fatalf("out of the pipe: %d, %v", n, e)
	}
	got := make([]byte, 4096)
	if n, e := recv(t, client.Int(), got); !bytes.Equal(got[:n], want) || e != 0 {
		t.Errorf("%d bytes came back, %v", n, e)
	}
	ShutWrite(client.Int())
	shows(t, server.Int(), RdHup, patience)
	if n, e := Splice(server.Int(), w, 4096); n != 0 || e != 0 {
		t.Errorf("at the end: %d, %v; want 0, 0", n, e)
	}
	if n, e := Splice(poller(t).Int(), w, 1); n != 0 || e != syscall.EINVAL {
		t.Errorf("from what cannot be spliced: %d, %v; want EINVAL", n, e)
	}
}

func TestPipeSize(t *testing.T) {
	for _, test := range []struct{ want, granted int }{
		{1, 4096}, {4096, 4096}, {4097, 8192}, {64 << 10, 64 << 10}, {100_000, 128 << 10}, {256 << 10, 256 << 10},
	} {
		r, w, granted, e := Pipe(test.want)
		if e != 0 {
			t.Fatal(e)
		}
		size, err := unix.FcntlInt(uintptr(r), unix.F_GETPIPE_SZ, 0)
		if granted != test.granted || size != granted || err != nil {
			t.Errorf("asked for %d: granted %d, the kernel says %d, %v; want %d", test.want, granted, size, err, test.granted)
		}
		wantFlags(t, r)
		wantFlags(t, w)
		Close(r)
		Close(w)
		if isOpen(r) || isOpen(w) {
			t.Error("still open")
		}
	}
}

// A size the kernel refuses leaves the pipe with the one it was born with.
func TestPipeSizeRefused(t *testing.T) {
	r, w, granted, e := Pipe(1<<31 + 1)
	if e != 0 {
		t.Fatal(e)
	}
	defer Close(r)
	defer Close(w)
	size, err := unix.FcntlInt(uintptr(r), unix.F_GETPIPE_SZ, 0)
	if err != nil || granted != size || granted < 4096 || granted > 64<<10 {
		t.Errorf("granted %d, the kernel says %d, %v", granted, size, err)
	}
}

func TestPipeWithoutDescriptors(t *testing.T) {
	check := wantNothingOpened(t)
	for free := range 2 {
		t.Run("", func(t *testing.T) {
			leaveFree(t, free)
			if r, w, size, e := Pipe(4096); r != -1 || w != -1 || size != 0 || e != syscall.EMFILE {
				t.Errorf("with %d descriptors to be had: %d, %d, %d, %v", free, r, w, size, e)
			}
		})
	}
	check()
}
