package weblog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// at is a web line logged a while after 1700000000.
func at(seconds int, request string) string {
	return strings.Replace(web(request), "14/Nov/2023:22:13:20 +0000", time.Unix(int64(1700000000+seconds), 0).UTC().Format(stampLayout), 1) + "\n"
}

// by is what becomes of such a line.
func by(client string, seconds int, request string) string {
	return strings.Replace(at(seconds, request), "127.0.0.1", client, 1)
}

// pen is a line of pen's log.
func pen(client string, seconds int, server, request string) string {
	return fmt.Sprintf("%s %d %s %s\n", client, 1700000000+seconds, server, request)
}

func TestMergelogsWritesWhatDebiansWrites(t *testing.T) {
	inZone(t, "UTC")
	for _, path := range recordings(t, "mergelogs") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			names, parts := archive(t, path)
			t.Chdir(t.TempDir())
			for _, name := range names {
				if err := os.WriteFile(name, []byte(parts[name]), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			status, got, _ := merge(strings.Fields(parts["args"])...)
			if got, want := firstDifference(got, parts["want"]); status != 0 || got != want {
				t.Errorf("status %d, wrote %q\n want %q", status, got, want)
			}
		})
	}
}

// What is nearest in time, and which line is written first where times do not tell.
func TestMergelogsBreaksTies(t *testing.T) {
	pens := write(t, "pen.log", pen("early", -5, "s", "X")+pen("other", 0, "t", "X")+pen("late", 5, "s", "X")+pen("again", 5, "s", "X")+pen("last", 6, "s", "X"))
	a := write(t, "a", at(0, "X")+at(1, "X")+at(1, "A"))
	b := write(t, "b", at(0, "X")+at(1, "B")+at(6, "X"))
	got := merged(t, "-p", pens, "s:"+a, "s:"+b)
	want := by("early", 0, "X") + by("early", 0, "X") + by("late", 1, "X") + by("s", 1, "A") + by("s", 1, "B") + by("last", 6, "X")
	if got != want {
		t.Errorf("wrote\n%swant\n%s", got, want)
	}
}

func TestMergelogsKnowsIPv6(t *testing.T) {
	pens := write(t, "pen.log", pen("2001:db8::7", 0, "2001:db8:0::1", "X")+pen("10.0.0.1", 0, "::ffff:10.1.1.1", "X"))
	log := write(t, "log", at(0, "X"))
	got := merged(t, "-p", pens, "[2001:db8::0:1]:"+log, "10.1.1.1:"+log, "[2001:db8::2]:"+log)
	if want := by("2001:db8::7", 0, "X") + by("10.0.0.1", 0, "X") + by("2001:db8::2", 0, "X"); got != want {
		t.Errorf("wrote\n%swant\n%s", got, want)
	}
}

// gzipped compresses texts, each to a member of its own.
func gzipped(t *testing.T, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestMergelogsReadsGzip(t *testing.T) {
	pens := write(t, "pen.log.1", gzipped(t, pen("c0", 0, "s", "X"), pen("c1", 1000, "s", "X")))
	whole := gzipped(t, at(0, "X"), at(1000, "X"))
	log := write(t, "log.gz", whole)
	want := by("c0", 0, "X") + by("c1", 1000, "X")
	for _, flags := range [][]string{{"-p", pens}, {"-c", "-p", pens}} {
		if got := merged(t, append(flags, "s:"+log)...); got != want {
			t.Errorf("%q: wrote\n%swant\n%s", flags, got, want)
		}
	}
	// What is there of a torn file is merged; it is an error all the same.
	torn := write(t, "torn.gz", whole[:len(whole)-5])
	status, got, errs := merge("-p", pens, "s:"+torn, "t:"+log)
	if want := by("c0", 0, "X") + by("t", 0, "X") + by("c1", 1000, "X") + by("t", 1000, "X"); status != 1 || got != want {
		t.Errorf("status %d, wrote\n%swant\n%s", status, got, want)
	}
	if want := "mergelogs: read " + torn + ": unexpected EOF\nmergelogs: the merged log is incomplete\n"; errs != want {
		t.Errorf("said %s want %s", errs, want)
	}
	notGzip := write(t, "not.gz", "\x1f\x8bnot")
	if status, _, errs := merge("-p", pens, "s:"+notGzip); status != 1 || !strings.HasPrefix(errs, "mergelogs: read "+notGzip+": ") {
		t.Errorf("status %d, said %q", status, errs)
	}
}

func TestMergelogsLeavesOutAndCounts(t *testing.T) {
	inZone(t, "UTC")
	long := web("GET /" + strings.Repeat("x", lineLimit))
	pens := write(t, "pen.log", pen("c", 0, "s", "X")+"torn\n"+strings.Repeat("x", 3*lineLimit)+"\n"+pen("d", -1, "s", "Y")+pen("", 0, "s", "Z"))
	log := write(t, "log", at(1, "X")+"torn\n"+at(0, "Y")+long+"\n"+at(2, "Z")+"\n"+strings.TrimSuffix(at(3, "X"), "\n"))
	status, got, errs := merge("-p", pens, "s:"+log)
	if want := by("c", 1, "X") + by("d", 0, "Y") + by("s", 2, "Z") + by("c", 3, "X"); status != 0 || got != want {
		t.Errorf("status %d, wrote\n%.500swant\n%s", status, got, want)
	}
	counts := fmt.Sprintf("mergelogs: %s: 2 lines left out, 1 out of order\nmergelogs: %s: 3 lines left out, 1 out of order\n", pens, log)
	if errs != counts {
		t.Errorf("said %s want %s", errs, counts)
	}
	_, _, errs = merge("-dd", "-p", pens, "s:"+log)
	for _, said := range []string{pens + ":2: left out", pens + ":3: left out", log + ":2: left out", log + ":4: left out", log + ":6: left out", log + ":5: no client", counts} {
		if !strings.Contains(errs, said) {
			t.Errorf("-dd does not say %q but\n%s", said, errs)
		}
	}
	if _, _, again := merge("-c", "-p", pens, "s:"+log); again != counts { // however often the log is read
		t.Errorf("-c said %s want %s", again, counts)
	}
}

// failing is a full disk, say.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestMergelogsTellsWhatCannotBeDone(t *testing.T) {
	dir := t.TempDir()
	log, none := write(t, "log", at(0, "X")), filepath.Join(dir, "none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-p", log, "s:" + none}, "mergelogs: open " + none + ": no such file or directory\n"},
		{[]string{"-p", none, "s:" + log}, "mergelogs: open " + none + ": no such file or directory\n"},
		{[]string{"-p", log, "s:" + dir}, "mergelogs: read " + dir + ": is a directory\n"},
		{[]string{"-c", "-p", "/dev/null", "s:" + log}, "mergelogs: read /dev/null for every line (-c): not a regular file\n"},
	} {
		if status, out, errs := merge(c.args...); status != 1 || out != "" || errs != c.want {
			t.Errorf("%q: status %d, %q, said %q, want %q", c.args, status, out, errs, c.want)
		}
	}
	var errs bytes.Buffer
	if status := Mergelogs([]string{"-p", log, "s:" + log}, failing{}, &errs); status != 1 || !strings.Contains(errs.String(), "mergelogs: write the merged log: no space left on device\n") {
		t.Errorf("status %d, said %q", status, &errs)
	}
}

// With -c pen's log must stay where it is.
func TestMergelogsTellsThatPensLogIsGone(t *testing.T) {
	pens := write(t, "pen.log", pen("c", 0, "s", "X"))
	log, err := openLog(pens, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	r, err := newRescan(log)
	if err != nil {
		t.Fatal(err)
	}
	if client := r.find([]byte("s"), []byte("X"), 0); string(client) != "c" {
		t.Errorf("client %q", client)
	}
	if err := os.Remove(pens); err != nil {
		t.Fatal(err)
	}
	if client := r.find([]byte("s"), []byte("X"), 0); client != nil || log.err == nil || log.tell(io.Discard) {
		t.Errorf("client %q, error %v", client, log.err)
	}
}

func TestMergelogsCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                        "mergelogs: -p, --penlog is missing",
		"s:f":                     "mergelogs: -p, --penlog is missing",
		"-p f":                    "mergelogs: server:logfile is missing",
		"-p f x":                  `mergelogs: "x": must be server:logfile`,
		"-p f :x":                 `mergelogs: ":x": must be server:logfile`,
		"-p f x:":                 `mergelogs: "x:": must be server:logfile`,
		"-p f ::1:x":              `mergelogs: "::1:x": must be server:logfile`,
		"-p f [::1]x":             `mergelogs: "[::1]x": must be server:logfile`,
		"-p f [x]:y":              `mergelogs: "[x]:y": must be server:logfile`,
		"-p f -j x s:f":           `mergelogs: invalid argument "x" for "-j, --jitter"`,
		"-p f -j -1 s:f":          "mergelogs: -j, --jitter -1: must be 0..",
		"-p f -t x s:f":           `mergelogs: invalid argument "x" for "-t, --timezone"`,
		"-p f s:f -j":             "mergelogs: flag needs an argument: 'j'",
		"-r x -p f s:f":           "mergelogs: unknown shorthand flag: 'r'",
		"-p f -t 99999999999 s:f": "mergelogs: -t, --timezone 99999999999: must be",
	} {
		usage(t, args, want, func(stdout, stderr io.Writer) int { return Mergelogs(strings.Fields(args), stdout, stderr) })
	}
	help(t, func(stdout, stderr io.Writer) int { return Mergelogs([]string{"--help"}, stdout, stderr) })
	var o mergeOptions
	err := parseMergelogs(&o, mergeFlags(&o), strings.Fields("s:f -cdd -j 5 [::1]:g:h --penlog pen.log -t -3600"))
	if err != nil || !o.rescan || o.debug != 2 || o.jitter != 5 || o.pen != "pen.log" || !o.hasZone || o.zone != -3600 || len(o.logs) != 2 || o.logs[1] != (serverLog{"::1", "g:h"}) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestStandardOffset(t *testing.T) {
	for _, c := range []struct {
		zone, at string
		want     int64
	}{
		{"UTC", "2024-07-01", 0}, {"Europe/Helsinki", "2024-01-01", 7200}, {"Europe/Helsinki", "2024-07-01", 7200}, {"America/New_York", "2024-07-01", -18000},
		{"Australia/Lord_Howe", "2024-01-01", 37800}, {"Europe/Moscow", "2012-01-01", 14400}, {"Europe/Moscow", "2020-01-01", 10800},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		when, err := time.ParseInLocation("2006-01-02", c.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := standardOffset(when); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.zone, c.at, got, c.want)
		}
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	half, empty := &logFile{size: 4 << 20, count: 2 << 20}, &logFile{}
	p := &progress{to: &b, logs: []*logFile{half, empty}}
	for range progressLines {
		p.tick()
	}
	p.tick()
	p.end()
	if got, want := b.String(), "\r50% of 4 MB\x1b[K\r\x1b[K"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p.watch(&logFile{size: unknownSize, count: 1 << 20})
	if got := p.String(); got != "3 MB read" {
		t.Error(got)
	}
	// Only a terminal is shown progress, and only if the result does not go to one.
	terminal, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		stdout, stderr io.Writer
		shown          bool
	}{{file, terminal, true}, {&b, terminal, true}, {terminal, terminal, false}, {file, file, false}, {terminal, &b, false}} {
		if p := newProgress(c.stdout, c.stderr); (p.to != nil) != c.shown {
			t.Errorf("%v", c)
		}
	}
	var silent progress
	silent.tick()
	silent.end()
}
