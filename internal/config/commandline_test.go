package config

import (
	"os/exec"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"-r", "80", "www1:81:1:2"}, "pen -r 80 www1:81:1:2"},
		{[]string{"-O", "blacklist 5", "80"}, "pen -O 'blacklist 5' 80"},
		{[]string{"-O", "", "*:80"}, "pen -O '' '*:80'"},
		{[]string{"-l", "/it's", "[::1]:80", "www1"}, `pen -l '/it'\''s' '[::1]:80' www1`},
		{[]string{"-l", "/a\nserver 0 \\'$x\x7f", "80", "www1"}, `pen -l $'/a\012server 0 \\\'$x\177' 80 www1`},
		{[]string{"-p", "$(id)`;&|<>\"~#!", "80", "www1"}, "pen -p '$(id)`;&|<>\"~#!' 80 www1"},
	}
	for _, test := range tests {
		o, err := Parse("pen", test.args)
		if err != nil || o.CommandLine() != test.want {
			t.Errorf("%q: %v\ngot  %s\nwant %s", test.args, err, o.CommandLine(), test.want)
			continue
		}
		// A shell reads it back to what was given.
		out, err := exec.Command("bash", "-c", `pen() { printf '%s\0' "$@"; }; `+o.CommandLine()).Output()
		if got := strings.TrimSuffix(string(out), "\x00"); err != nil || got != strings.Join(test.args, "\x00") {
			t.Errorf("%s: a shell makes %q of it, %v", o.CommandLine(), got, err)
		}
	}
}

// The arguments are the caller's to change once Parse has returned.
func TestCommandLineIsKept(t *testing.T) {
	args := []string{"80", "www1"}
	o, err := Parse("pen", args)
	args[1] = "www2"
	if err != nil || o.CommandLine() != "pen 80 www1" {
		t.Errorf("got %s, %v", o.CommandLine(), err)
	}
}
