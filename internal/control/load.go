package control

import (
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds files that include files; one that includes itself is found out by it.
const maxDepth = 16

// maxLine is the longest command, in bytes without the end of line: what Pen takes at once (PEN.md 1.2).
const maxLine = 4095

// setInclude runs the lines of a file as a part of the step that it stands in. A file with a word that fails changes nothing.
func setInclude(e *edit, args []string) error {
	file, err := argument(args, 1, "file name")
	if err != nil {
		return err
	}
	before := *e
	before.state = e.state.clone()
	if err := e.include(file); err != nil {
		*e = before
		return err
	}
	return nil
}

// include runs the lines of a file until one fails.
func (e *edit) include(file string) error {
	if e.files == maxDepth {
		return fmt.Errorf("include %s: more than %d files deep", file, maxDepth)
	}
	content, err := e.in.read(file, e.origin)
	if err != nil {
		return fmt.Errorf("Can't read config file '%s': %w", file, err)
	}
	e.files++
	defer func() { e.files-- }()
	n := 0
	for text := range strings.Lines(string(content)) {
		n++
		if err := e.run(strings.TrimSuffix(text, "\n")); err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	return nil
}

// run is one line of a file. Its reply, and what it asks of the world, wait until the file is in force.
func (e *edit) run(text string) error {
	if len(text) > maxLine {
		return fmt.Errorf("line is longer than %d bytes", maxLine)
	}
	args := split(text)
	w, err := lookUp(args)
	if w == nil {
		return err
	}
	if w.set != nil {
		if err := w.set(e, args); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
	}
	in, origin := e.in, e.origin
	switch {
	case w.ask != nil:
		e.later = append(e.later, func() {
			reply, err := w.ask(in, origin, args)
			if err != nil {
				in.cfg.Log.Warn("a command of a file fails", "command", text, "error", err)
			}
			in.print(reply)
		})
	case w.get != nil:
		reply := w.get(&e.state)
		e.later = append(e.later, func() { in.print(reply) })
	}
	return nil
}

func (in *Interpreter) print(reply string) {
	if _, err := io.WriteString(in.cfg.Output, reply); err != nil {
		in.cfg.Log.Warn("a reply to a file is lost", "error", err)
	}
}
