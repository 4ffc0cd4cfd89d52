package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"log/syslog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func init() {
	roles["log"] = func() int {
		log, closer := Logger(true, Level(0))
		log.Info("pen starts", "servers", 2)
		log.Debug("not asked for")
		if err := closer.Close(); err != nil {
			return 1
		}
		return 0
	}
}

func noSyslog() (*syslog.Writer, error) { return nil, errors.New("nobody there") }

// foreground logs into a buffer and returns its lines once all are written.
func foreground(t *testing.T, debug int, use func(log *slog.Logger)) []string {
	t.Helper()
	var out bytes.Buffer
	log, closer := newLogger(true, Level(debug), &out, noSyslog)
	use(log)
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	return lines(out.String())
}

func TestLoggerInTheForeground(t *testing.T) {
	got := play(t, role(t, "log"))
	if got.code != 0 || got.stdout != "" || !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: pen starts servers=2\n$`).MatchString(got.stderr) {
		t.Errorf("got %+v", got)
	}
}

func TestLineShape(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6, time.Local)
	tests := []struct {
		message string
		attrs   []slog.Attr
		want    string
	}{
		{"server up", nil, "2026-01-02 03:04:05: server up"},
		{"server up", []slog.Attr{slog.String("server", "10.0.0.1:80"), slog.Int("n", 3)}, "2026-01-02 03:04:05: server up server=10.0.0.1:80 n=3"},
		{"x", []slog.Attr{slog.Duration("in", 1500*time.Millisecond), slog.Any("err", errors.New("connect 10.0.0.1:80: connection refused"))},
			`2026-01-02 03:04:05: x in=1.5s err="connect 10.0.0.1:80: connection refused"`},
		{"x", []slog.Attr{slog.String("empty", ""), slog.String("quote", `a"b`), slog.String("equals", "a=b"), slog.String("odd key", "v")},
			`2026-01-02 03:04:05: x empty="" quote="a\"b" equals="a=b" "odd key"=v`},
		{"x", []slog.Attr{slog.Group("g", slog.Int("a", 1), slog.Group("h", slog.Int("b", 2))), slog.Group("", slog.Int("c", 3)), slog.Group("none"), {}},
			`2026-01-02 03:04:05: x g.a=1 g.h.b=2 c=3`},
		// Bytes of a client must not make a line of their own, nor speak to the terminal.
		{"request", []slog.Attr{slog.String("line", "GET\r\n2026-01-02 03:04:05: forged\x1b[2J\xff")},
			`2026-01-02 03:04:05: request line="GET\r\n2026-01-02 03:04:05: forged\x1b[2J\xff"`},
		{"two\nlines", nil, `2026-01-02 03:04:05: "two\nlines"`},
		{"füße", []slog.Attr{slog.String("name", "füße")}, "2026-01-02 03:04:05: füße name=füße"},
	}
	for _, test := range tests {
		got := foreground(t, 0, func(log *slog.Logger) {
			r := slog.NewRecord(when, slog.LevelInfo, test.message, 0)
			r.AddAttrs(test.attrs...)
			log.Handler().Handle(context.Background(), r)
		})
		if !slices.Equal(got, []string{test.want}) {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}

func TestDebugLevels(t *testing.T) {
	for debug, want := range [][]string{{"error", "info"}, {"error", "info", "debug"}, {"error", "info", "debug", "more"}} {
		var got []string
		for _, line := range foreground(t, debug, func(log *slog.Logger) {
			log.Error("error")
			log.Info("info")
			log.Debug("debug")
			log.Log(context.Background(), slog.LevelDebug-4, "more")
			log.Log(context.Background(), slog.LevelDebug-8, "most")
		}) {
			got = append(got, line[strings.LastIndexByte(line, ' ')+1:])
		}
		if !slices.Equal(got, want) {
			t.Errorf("debug %d: got %v, want %v", debug, got, want)
		}
	}
}

// TestHandlerContract runs the standard library's own checks. Pen's line has no level and says time and text by their place; read gives them names.
func TestHandlerContract(t *testing.T) {
	var out *bytes.Buffer
	var s *sink
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out = new(bytes.Buffer)
		s = newSink(func(e entry) error { return writeStamped(out, e) }, func() error { return nil })
		return &handler{least: slog.LevelInfo, sink: s}
	}, func(t *testing.T) map[string]any {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return read(strings.TrimSuffix(out.String(), "\n"))
	})
}

func read(line string) map[string]any {
	fields := map[string]any{slog.LevelKey: "not shown"}
	if _, err := time.Parse(stampLayout, line[:min(len(stampLayout), len(line))]); err == nil {
		fields[slog.TimeKey], line = line[:len(stampLayout)], line[len(stampLayout):]
	}
	words := strings.Fields(line)
	fields[slog.MessageKey] = words[0]
	for _, word := range words[1:] {
		path, value, _ := strings.Cut(word, "=")
		keys := strings.Split(path, ".")
		place := fields
		for _, key := range keys[:len(keys)-1] {
			if place[key] == nil {
				place[key] = map[string]any{}
			}
			place = place[key].(map[string]any)
		}
		place[keys[len(keys)-1]] = value
	}
	return fields
}

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetDeadline(time.Now().Add(patience))
	var stderr bytes.Buffer
	log, closer := newLogger(false, Level(1), &stderr, func() (*syslog.Writer, error) {
		return syslog.Dial("unixgram", path, syslog.LOG_USER|syslog.LOG_INFO, syslogTag)
	})
	log.Error("cannot go on", "n", 1)
	log.Warn("server down")
	log.Info("pen starts")
	log.Debug("detail")
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
	// Facility user is 1, so a line's number is 8 + severity: 3 error, 4 warning, 6 info, 7 debug.
	for _, want := range []struct {
		number int
		text   string
	}{{11, "cannot go on n=1"}, {12, "server down"}, {14, "pen starts"}, {15, "detail"}} {
		datagram := make([]byte, 2048)
		n, err := server.Read(datagram)
		if err != nil {
			t.Fatal(err)
		}
		pattern := fmt.Sprintf(`^<%d>.* pen\[%d\]: %s\n$`, want.number, os.Getpid(), want.text)
		if !regexp.MustCompile(pattern).Match(datagram[:n]) {
			t.Errorf("got %q, want %s", datagram[:n], pattern)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr got %q", stderr.String())
	}
}

func TestNoSyslog(t *testing.T) {
	var stderr bytes.Buffer
	log, closer := newLogger(false, Level(9), &stderr, noSyslog)
	log.Error("nobody hears this")
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
	if got, want := stderr.String(), "pen: no syslog, so nothing is logged: nobody there\n"; got != want {
		t.Errorf("stderr got %q, want %q", got, want)
	}
}
