package demo

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestScreenColoursOnlyATerminal(t *testing.T) {
	terminal, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	for _, c := range []struct {
		term, noColor string
		colour, live  bool
	}{{"xterm", "", true, true}, {"xterm", "1", false, true}, {"dumb", "", false, false}} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", c.noColor)
		if s := newScreen(terminal); s.colour != c.colour || s.live != c.live {
			t.Errorf("TERM=%s NO_COLOR=%s: colour %t, live %t", c.term, c.noColor, s.colour, s.live)
		}
	}
	t.Setenv("TERM", "xterm")
	if s := newScreen(&bytes.Buffer{}); s.colour || s.live {
		t.Error("a buffer is taken for a terminal")
	}
}

func TestPictureIsDrawnOverOnATerminal(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, live: true}
	p := s.picture()
	p.Draw([]string{"a", "b"})
	p.Draw([]string{"c", "d"})
	p.End()
	if got, want := out.String(), "\ra\x1b[K\n\rb\x1b[K\n\x1b[2A\rc\x1b[K\n\rd\x1b[K\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPictureIsWrittenOnceElsewhere(t *testing.T) {
	var out bytes.Buffer
	p := (&screen{out: &out}).picture()
	p.Draw([]string{"a", "b"})
	p.Draw([]string{"c", "d"})
	p.End()
	p.End()
	if got := out.String(); got != "c\nd\n" {
		t.Errorf("%q", got)
	}
}

func TestGrid(t *testing.T) {
	s := &screen{}
	g := newGrid([]*client{{name: "127.0.0.11"}, {name: "127.0.0.12"}})
	g.Add([]int{1, 2})
	g.Bar()
	g.Add([]int{1, 0})
	want := []string{"", "       127.0.0.11   1 | 1", "       127.0.0.12   2 | x", ""}
	if got := g.Lines(s); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for range 2 * gridColumns {
		g.Add([]int{3, 3})
	}
	g.Bar()
	g.Bar()
	if got := len(g.Lines(s)[1]); got > screenWidth+6 {
		t.Errorf("%d columns of text", got)
	}
	s.colour = true
	if got := cell(s, []int{2}, 0); got != "\x1b[33m2\x1b[0m" {
		t.Errorf("%q", got)
	}
}

func TestWords(t *testing.T) {
	if got := wrap("one two  three\n\tfour", 9); !slices.Equal(got, []string{"one two", "three", "four"}) {
		t.Errorf("%q", got)
	}
	if got := wrap("incomprehensibilities a", 5); !slices.Equal(got, []string{"incomprehensibilities", "a"}) {
		t.Errorf("%q", got)
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 3 << 20: "3 MiB", 1 << 30: "1 GiB", 1<<30 + 1<<29: "1.50 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if got := bar(1<<19, 1<<20); got != "       ["+strings.Repeat("#", 20)+strings.Repeat(".", 20)+"]  524288 B" {
		t.Errorf("%q", got)
	}
	var out bytes.Buffer
	s := &screen{out: &out}
	s.verdict(true, strings.Repeat("word ", 20))
	s.verdict(false, "short")
	s.quote("log")
	for line := range strings.Lines(out.String()) {
		if len(line) > screenWidth+1 {
			t.Errorf("wide: %q", line)
		}
	}
	if got := out.String(); !strings.HasPrefix(got, "   ok  word") || !strings.Contains(got, "\n       word") || !strings.HasSuffix(got, "\n   NO  short\n       | log\n") {
		t.Errorf("%q", got)
	}
}
