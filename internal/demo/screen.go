package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// style is a select-graphic-rendition parameter (ECMA-48 8.3.117).
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	cyan   style = "36"
	yellow style = "33"
	violet style = "35"
)

// serverStyles are indexed by a server's number; a failed request is 0.
var serverStyles = [serverCount + 1]style{red, cyan, yellow, violet}

const screenWidth = 78

// screen lays out what the demo says. Not safe for concurrent use: the tour's goroutine owns it. Write errors are not looked at: the tour's judgement does not depend on being read.
type screen struct {
	// constant after newScreen
	out    io.Writer
	colour bool
	live   bool // a block may be drawn over
}

func newScreen(out io.Writer) *screen {
	terminal := false
	if f, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		info, err := f.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return &screen{out: out, colour: terminal && os.Getenv("NO_COLOR") == "", live: terminal}
}

func (s *screen) paint(st style, text string) string {
	if !s.colour || st == plain {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

// print writes one line from the left edge.
func (s *screen) print(line string) { fmt.Fprintln(s.out, line) }

// say writes a paragraph, wrapped and indented.
func (s *screen) say(text string) {
	for _, line := range wrap(text, screenWidth-3) {
		s.print("   " + line)
	}
}

// title begins a section.
func (s *screen) title(text string) {
	s.print("")
	s.print(s.paint(bold, text))
}

// verdict writes a judgement.
func (s *screen) verdict(ok bool, text string) {
	mark := s.paint(green, "ok ")
	if !ok {
		mark = s.paint(red, "NO ")
	}
	for i, line := range wrap(text, screenWidth-7) {
		if i > 0 {
			mark = "   "
		}
		s.print("   " + mark + " " + line)
	}
}

// quote shows a line of the balancer's log.
func (s *screen) quote(line string) { s.print(s.paint(dim, "       | "+line)) }

// wrap breaks text between words into lines of at most width bytes; a longer word stands alone.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// picture is a few lines that change: drawn over on a terminal, written once at the end elsewhere.
type picture struct {
	s     *screen
	lines []string // the latest
	drawn int      // lines on the terminal
	ended bool
}

func (s *screen) picture() *picture { return &picture{s: s} }

// Draw shows lines in place of the ones before; there may not be fewer.
func (p *picture) Draw(lines []string) {
	p.lines = lines
	if !p.s.live {
		return
	}
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	for _, line := range lines {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	p.drawn = len(lines)
	io.WriteString(p.s.out, b.String())
}

// End leaves the latest lines standing. It may be called again.
func (p *picture) End() {
	if p.ended {
		return
	}
	p.ended = true
	if p.s.live {
		return
	}
	for _, line := range p.lines {
		p.s.print(line)
	}
}
