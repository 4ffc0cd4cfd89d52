package control

import "strings"

// askRecentCloses tells the last abnormal endings, all that are remembered or as many as asked for, the latest last. The word is ours.
func askRecentCloses(in *Interpreter, _ Origin, args []string) (string, error) {
	var lines []string
	in.world.Closes(func(text string) bool {
		lines = append(lines, line(text))
		return true
	})
	var err error
	if len(args) > 1 {
		var n int
		if n, err = atoi(args[1]); err == nil {
			lines = lines[len(lines)-min(max(n, 0), len(lines)):]
		}
	}
	return strings.Join(lines, ""), err
}
