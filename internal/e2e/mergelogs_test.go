package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// webDay is the logs of a day's traffic: pen's, and that of each web server behind it.
type webDay struct {
	lines int // of the web servers together
	bytes int64
	args  []string // for mergelogs
}

// dayServers is how many web servers there are; requestsPerSecond is what they are asked together, so that 1 GB is about a day.
const dayServers, requestsPerSecond = 3, 40

// makeDay writes logs of so many bytes together. Each request names the client that made it, among paths of which some are asked for again and again.
func makeDay(t *testing.T, size int64) webDay {
	t.Helper()
	dir := t.TempDir()
	day := webDay{args: []string{"-p", filepath.Join(dir, "pen.log")}}
	create := func(name string) *bufio.Writer {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriterSize(file, 1<<20)
		t.Cleanup(func() { file.Close() })
		return w
	}
	all := []*bufio.Writer{create("pen.log")}
	for s := range dayServers {
		name := fmt.Sprintf("web%d.log", s)
		all = append(all, create(name))
		day.args = append(day.args, fmt.Sprintf("127.0.0.%d:%s", 2+s, filepath.Join(dir, name)))
	}
	const from = 1_700_000_000
	random := rand.New(rand.NewPCG(4, 2))
	stamp := ""
	for ; day.bytes < size; day.lines++ {
		if day.lines%requestsPerSecond == 0 {
			stamp = time.Unix(int64(from+day.lines/requestsPerSecond), 0).UTC().Format("02/Jan/2006:15:04:05 +0000")
		}
		client := loopback(1 + random.IntN(5000))
		server := random.IntN(dayServers)
		request := fmt.Sprintf("GET /shop/item/%d?session=%s HTTP/1.1", random.IntN(1+random.IntN(20_000)), client)
		n, _ := fmt.Fprintf(all[0], "%s %d 127.0.0.%d %s\n", client, from+day.lines/requestsPerSecond, 2+server, request)
		m, _ := fmt.Fprintf(all[1+server], "127.0.0.1 - - [%s] \"%s\" 200 %d \"https://shop.example/search?q=%d\" \"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\"\n",
			stamp, request, random.IntN(100_000), random.IntN(1000))
		day.bytes += int64(n + m)
	}
	for _, w := range all { // what could not be written before is an error now
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return day
}

// merging is a run of a mergelogs.
type merging struct {
	took  time.Duration
	most  int // resident memory at its highest, in KiB
	lines int
	wrong int // lines without the client that made the request
}

// merge runs mergelogs over the day and looks at each line as it comes.
func (d webDay) merge(t *testing.T, words ...string) (m merging) {
	t.Helper()
	cmd := exec.Command(words[0], append(words[1:], d.args...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s (Debian's package is pen): %v", words, err)
	}
	// The high-water mark only rises, so that one reading shortly before the end is enough. That of wait4 would be the test's own where that is larger.
	const often = 1 << 12 // lines
	for lines := bufio.NewScanner(out); lines.Scan(); m.lines++ {
		client, _, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		_, request, _ := bytes.Cut(lines.Bytes(), []byte("?session="))
		if asked, _, _ := bytes.Cut(request, []byte(" ")); !bytes.Equal(client, asked) {
			m.wrong++
		}
		if m.lines%often == 0 {
			m.most = max(m.most, process(cmd.Process.Pid).status("VmHWM"))
		}
	}
	if err := cmd.Wait(); err != nil || errs.Len() > 0 {
		t.Errorf("%s: %v: %s", strings.Join(words, " "), err, errs.String())
	}
	m.took = time.Since(began)
	return m
}

// mergelogs goes through a day's logs of 1 GB in memory that does not grow with them, and many times as fast as Debian's. Debian's looks through all of pen's lines within the jitter for each
// line of a web server, which would take it hours for the day; it is timed on the first minutes of the same day, when there are fewer of those than later, and compared by the bytes per second.
func TestMergelogsOfADay(t *testing.T) {
	const most, faster = 64 << 10, 5 // KiB; times
	if requestsPerSecond*2*600*250 > sized(32, 1024)<<20 {
		t.Fatal("the logs are too short for the window of mergelogs to be full")
	}
	day, sample := makeDay(t, int64(sized(32, 1024))<<20), makeDay(t, int64(sized(2, 12))<<20)
	ours := day.merge(t, program, "mergelogs")
	if ours.lines != day.lines || ours.wrong > 0 {
		t.Errorf("%d lines of %d, %d with another client than theirs", ours.lines, day.lines, ours.wrong)
	}
	if ours.most > most && !raceDetector || ours.most == 0 {
		t.Errorf("%d bytes of logs took %d KiB of memory, want at most %d", day.bytes, ours.most, most)
	}
	debians := sample.merge(t, debianMergelogs)
	if debians.lines != sample.lines {
		t.Errorf("Debian's writes %d lines of %d", debians.lines, sample.lines)
	}
	speed := func(d webDay, m merging) float64 { return float64(d.bytes) / 1e6 / m.took.Seconds() } // MB/s
	times := speed(day, ours) / speed(sample, debians)
	if times < faster && !raceDetector {
		t.Errorf("%.1f times as fast as Debian's, want at least %d", times, faster)
	}
	shown(t, "mergelogs, %d MB of logs of %d servers and %d requests/s: %.1f s, %.0f MB/s, at most %.1f MiB RSS; all %d lines have their clients",
		day.bytes/1e6, dayServers, requestsPerSecond, ours.took.Seconds(), speed(day, ours), float64(ours.most)/1024, ours.lines)
	shown(t, "Debian's mergelogs on the first %d MB of the same: %.1f s, %.1f MB/s: ours is %.0f times as fast", sample.bytes/1e6, debians.took.Seconds(), speed(sample, debians), times)
	// With a window of 4 seconds there is next to nothing to look through, so that what is compared is reading and writing.
	const narrow = "-j2"
	mine, theirs := day.merge(t, program, "mergelogs", narrow), day.merge(t, debianMergelogs, narrow)
	shown(t, "both on all of it with %s, where Debian's has next to nothing to search: %.1f and %.1f s, ours %.1f times as fast", narrow, mine.took.Seconds(), theirs.took.Seconds(), theirs.took.Seconds()/mine.took.Seconds())
}
