package e2e

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

// With -ddd what is carried is written to the log, each way, as Pen does; the control port turns it off for connections that begin then.
func TestCarriedBytesAreDumped(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		s := serve(t, "", named("a"))
		for flags, want := range map[string][]string{"-ddd": {"copy_down: connection 0: 2: 61 0a", "copy_up: connection 0: 3: 68 69 0a"}, "-ddd -a": {": 2: a.", ": 3: hi."}, "-dd": nil} {
			b := launch{poller: poller, flags: append(strings.Fields(flags), "--loops", "1"), servers: []string{s.address}}.start(t)
			c, err := connect(loopback(1), b.address)
			if err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(c)
			for _, line := range []string{"a\n", "hi\n"} {
				if line == "hi\n" {
					fmt.Fprint(c, line)
				}
				if got, err := r.ReadString('\n'); got != line {
					t.Fatalf("read %q, %v", got, err)
				}
			}
			c.Close()
			b.finish()
			for _, line := range want {
				if !strings.Contains(b.log.String(), line) {
					t.Errorf("%s: no %q in the log", flags, line)
				}
			}
			if want == nil && strings.Contains(b.log.String(), "copy_") {
				t.Errorf("%s: dumped all the same", flags)
			}
		}
	})
}
