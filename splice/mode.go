package splice

import "fmt"

// Mode is what the operator wants of splicing.
type Mode uint8

const (
	Auto   Mode = iota // copy small reads, splice streams
	Always             // splice whenever a pipe is to be had
	Never              // copy
)

// ParseMode reads a mode as String writes it.
func ParseMode(s string) (Mode, error) {
	for m := Auto; m <= Never; m++ {
		if s == m.String() {
			return m, nil
		}
	}
	return Auto, fmt.Errorf("splice mode %q: want auto, always or never", s)
}

func (m Mode) String() string {
	switch m {
	case Auto:
		return "auto"
	case Always:
		return "always"
	case Never:
		return "never"
	}
	return fmt.Sprintf("splice.Mode(%d)", uint8(m))
}
