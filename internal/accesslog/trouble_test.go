package accesslog

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := place(t)
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	report, said := record()
	l := opened(t, path, report)
	l.Line(now, v4, "10.0.0.1", get)
	if got, want := <-said, "log lines dropped log="+path+" lines=1 total=1 why=write "+path+": no space left on device"; got != want {
		t.Errorf("reported %q, want %q", got, want)
	}
	// Said once in a while: the next ones wait for the next report.
	for i := range uint64(2) {
		l.Line(now, v4, "10.0.0.1", get)
		until(t, "the line is dropped", func() bool { return l.Dropped() == 2+i })
	}
	if len(said) != 0 {
		t.Errorf("reported at once: %s", <-said)
	}
	// The sink recovers, and so do we.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Line(now, v4, "10.0.0.1", []byte("back"))
	until(t, "the line is written", func() bool { return content(t, path) == "192.168.100.200 1700000000 10.0.0.1 back\n" })
	closed(t, l)
	if got := <-said; !strings.Contains(got, " lines=2 total=3 ") {
		t.Errorf("at Close: reported %q", got)
	}
}

// A disk that takes part of a write now and then: every line is there whole or counted as dropped, and the file holds nothing else.
func TestNoHalfLines(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(28, 6))
	for range 100 {
		s := &brokenSink{}
		s.allow = func(n int) int {
			switch random.IntN(4) {
			case 0:
				return 0
			case 1:
				return random.IntN(n + 1)
			}
			return n
		}
		f, r, sent, lost := &file{outlet: s}, newRing(16, 100), 0, 0
		for range 30 {
			for range random.IntN(6) {
				r.put(now, v4, "10.0.0.1", fmt.Appendf(nil, "line %d.", sent))
				sent++
			}
			n, _ := f.write(r)
			lost += n
		}
		s.allow = func(n int) int { return n }
		n, err := f.end()
		if err != nil {
			t.Fatal(err)
		}
		lost += n
		last, kept := -1, 0
		for one := range strings.Lines(string(s.taken)) {
			var i int
			if _, err := fmt.Sscanf(one, "192.168.100.200 1700000000 10.0.0.1 line %d.\n", &i); err != nil || i <= last {
				t.Fatalf("%q after line %d: %v", one, last, err)
			}
			last = i
			kept++
		}
		if kept+lost != sent {
			t.Fatalf("%d lines kept and %d lost, of %d:\n%s", kept, lost, sent, s.taken)
		}
	}
}

func TestALineLeftTornIsLost(t *testing.T) {
	s := &brokenSink{}
	s.allow = func(int) int { return min(3, 3-len(s.taken)) }
	f, r := &file{outlet: s}, newRing(2, 100)
	r.put(now, v4, "10.0.0.1", get)
	if lost, err := f.write(r); lost != 0 || err == nil {
		t.Errorf("write: %d lost, %v; the line might still be completed", lost, err)
	}
	if lost, err := f.end(); lost != 1 || err == nil {
		t.Errorf("end: %d lost, %v", lost, err)
	}
}

func TestWritesAreLarge(t *testing.T) {
	writes := 0
	s := &brokenSink{allow: func(n int) int { writes++; return n }}
	f, r := &file{outlet: s}, newRing(8192, 100)
	for range 8192 {
		r.put(now, v4, "10.0.0.1", get)
	}
	lost, err := f.write(r)
	if want := 8192 * len("192.168.100.200 1700000000 10.0.0.1 GET /index.html HTTP/1.1\n"); lost != 0 || err != nil || len(s.taken) != want {
		t.Errorf("%d lost, %v, %d bytes of %d", lost, err, len(s.taken), want)
	}
	if most := len(s.taken)/chunk + 1; writes > most {
		t.Errorf("%d writes for %d bytes, want at most %d", writes, len(s.taken), most)
	}
}

// pipe makes a named pipe and opens its reading end.
func pipe(t *testing.T, path string) *os.File {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// The reader of a pipe stops: lines are dropped, counted and reported while the writer is stuck. The reader goes on: so do the lines.
func TestSlowSink(t *testing.T) {
	t.Parallel()
	path := place(t)
	r := pipe(t, path)
	report, said := record()
	l := opened(t, path, report)
	sent := uint64(0)
	for l.Dropped() == 0 {
		l.Line(now, v4, "10.0.0.1", get)
		sent++
	}
	if got, want := <-said, "log lines dropped log="+path+" "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "why=the sink is slower than the lines come") {
		t.Errorf("reported %q", got)
	}
	if err := l.Reopen(); err == nil || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("Reopen while a write is stuck: %v", err)
	}
	read := make(chan uint64)
	go func() {
		lines, b := uint64(0), make([]byte, 64<<10)
		for {
			n, err := r.Read(b)
			lines += uint64(strings.Count(string(b[:n]), "\n"))
			if err != nil || n == 0 {
				read <- lines
				return
			}
		}
	}()
	before := l.Dropped()
	until(t, "there is room again", func() bool {
		l.Line(now, v4, "10.0.0.1", get)
		sent++
		was := before
		before = l.Dropped()
		return was == before
	})
	closed(t, l)
	if got := <-read; got+l.Dropped() != sent {
		t.Errorf("%d lines read and %d dropped, of %d", got, l.Dropped(), sent)
	}
}

func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	path := place(t)
	pipe(t, path)
	l := opened(t, path, quiet)
	for l.Dropped() == 0 {
		l.Line(now, v4, "10.0.0.1", get)
	}
	start := time.Now()
	closed(t, l)
	if took := time.Since(start); took < closeWait*9/10 || took > patience/2 {
		t.Errorf("Close of a stuck pipe took %v, want about %v", took, closeWait)
	}
}

// hungSink is a file on a dead network disk: a write does not end, and no deadline helps.
type hungSink struct {
	brokenSink
	hung, release chan struct{}
}

func (s *hungSink) Write(b []byte) (int, error) {
	close(s.hung)
	<-s.release
	return len(b), nil
}

func TestCloseGivesUpOnAHungDisk(t *testing.T) {
	t.Parallel()
	s := &hungSink{hung: make(chan struct{}), release: make(chan struct{})}
	l := start("disk", &file{outlet: s}, newRing(8, 100), reportEvery, quiet)
	l.Line(now, v4, "10.0.0.1", get)
	<-s.hung
	if err := l.Close(); err == nil || err.Error() != "close log disk: the last write does not end" {
		t.Errorf("Close: %v", err)
	}
	close(s.release)
	closed(t, l)
	if l.Dropped() != 0 {
		t.Errorf("%d lines dropped", l.Dropped())
	}
}

func TestPipeWhoseReaderIsAway(t *testing.T) {
	t.Parallel()
	path := place(t)
	r := pipe(t, path)
	l := opened(t, path, quiet)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	l.Line(now, v4, "10.0.0.1", get)
	until(t, "the line is dropped", func() bool { return l.Dropped() == 1 })
	r, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l.Line(now, v4, "10.0.0.1", get)
	b := make([]byte, 200)
	n, err := r.Read(b)
	if want := "192.168.100.200 1700000000 10.0.0.1 GET /index.html HTTP/1.1\n"; err != nil || string(b[:n]) != want {
		t.Errorf("got %q, %v; want %q", b[:n], err, want)
	}
}

// penlogd is not there, and then it is.
func TestCollectorThatIsAway(t *testing.T) {
	t.Parallel()
	conn := collect(t, "udp4", "127.0.0.1:0")
	dest := conn.LocalAddr().String()
	conn.Close()
	report, said := record()
	l := opened(t, dest, report)
	sent := uint64(0)
	until(t, "a line is dropped", func() bool {
		l.Line(now, v4, "10.0.0.1", get)
		sent++
		return l.Dropped() > 0
	})
	if got := <-said; !strings.HasSuffix(got, "->"+dest+": write: connection refused") {
		t.Errorf("reported %q", got)
	}
	at, err := net.ResolveUDPAddr("udp4", dest)
	if err != nil {
		t.Fatal(err)
	}
	conn = collect(t, "udp4", at.String())
	l.Line(now, v4, "10.0.0.1", []byte("back"))
	for receive(t, conn) != "+ 192.168.100.200 10.0.0.1 back\n" {
	}
	closed(t, l)
	if l.Dropped() >= sent+1 {
		t.Errorf("%d lines dropped of %d sent, the last of which arrived", l.Dropped(), sent+1)
	}
}

// Reports go on at their pace for as long as lines are dropped, each with what is new.
func TestReportsAgain(t *testing.T) {
	t.Parallel()
	report, said := record()
	l := start("broken", &file{outlet: &brokenSink{allow: func(int) int { return 0 }}}, newRing(8, 100), time.Millisecond, report)
	for i := range 3 {
		l.Line(now, v4, "10.0.0.1", get)
		if got, want := <-said, fmt.Sprintf("log lines dropped log=broken lines=1 total=%d why=i/o timeout", i+1); got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
	}
	closed(t, l)
}
