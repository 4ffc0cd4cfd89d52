package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func completionOf(t *testing.T, shell string) string {
	t.Helper()
	var b strings.Builder
	if err := Completion(&b, shell); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every flag, in each spelling, and every command is in the completions of every shell.
func TestCompletionHasEveryFlag(t *testing.T) {
	// how a shell's file spells a short and a long flag
	patterns := map[string][2]string{
		"bash": {`[ "|]-%s[ ")|]`, `[ "|]--%s[ ")|]`},
		"zsh":  {`'\*-%s\[`, `'\*--%s\[`},
		"fish": {` -s %s `, ` -l %s `},
	}
	for _, shell := range Shells {
		text := completionOf(t, shell)
		has := func(pattern, word string) bool {
			return regexp.MustCompile(strings.ReplaceAll(pattern, "%s", regexp.QuoteMeta(word))).MatchString(text)
		}
		n := 0
		for _, s := range Sections() {
			for _, f := range s.Flags {
				n++
				if f.Short != "" && !has(patterns[shell][0], f.Short) {
					t.Errorf("%s: no -%s", shell, f.Short)
				}
				if f.Long != "" && !has(patterns[shell][1], f.Long) {
					t.Errorf("%s: no --%s", shell, f.Long)
				}
			}
		}
		if n < 50 {
			t.Errorf("only %d flags were looked for", n)
		}
		for _, c := range commands {
			if !has(`[ '"]%s[ ':"]`, c.name) {
				t.Errorf("%s: no command %s", shell, c.name)
			}
		}
	}
}

// The words that are offered for a value are taken, and the flags they are offered for exist.
func TestCompletionOffersWhatIsTaken(t *testing.T) {
	for name, words := range choices {
		if !slices.ContainsFunc(described(), func(f Flag) bool { return f.Long == name && f.Arg != "" }) {
			t.Errorf("there is no --%s with a value", name)
		}
		for word := range strings.FieldsSeq(words) {
			if _, err := Parse("pen", []string{"--" + name, word, "80", "127.0.0.1"}); err != nil {
				t.Errorf("--%s %s is offered: %v", name, word, err)
			}
		}
	}
}

func TestCompletionOfAnotherShell(t *testing.T) {
	err := Completion(new(strings.Builder), "tcsh")
	if ExitCode(err) != exitUsage || err.Error() != `shell "tcsh": must be bash, zsh or fish` {
		t.Error(err)
	}
}

// Bash itself is asked what it would offer.
func TestCompletionInBash(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pen")
	if err := os.WriteFile(file, []byte(completionOf(t, "bash")), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words []string // the last is being typed
		want  string
	}{
		{[]string{"--tr"}, "--tracking --track-prefix"},
		{[]string{"-r", "--idle"}, "--idle-timeout"},
		{[]string{"--splice", ""}, "auto always never"},
		{[]string{"--splice", "a"}, "auto always"},
		{[]string{"completion", ""}, "bash zsh fish"},
		{[]string{"ch"}, "check"},
		{[]string{"--chroot", dir[:len(dir)-1]}, dir},
		{[]string{"-F", file[:len(file)-1]}, file},
		{[]string{"-c", ""}, ""},
		{[]string{"80", "ch"}, ""},
	} {
		script := `compopt() { :; }; source "$0"; COMP_WORDS=(pen "$@"); COMP_CWORD=$#; _pen; echo "${COMPREPLY[*]}"`
		out, err := exec.Command("bash", append([]string{"--norc", "-c", script, file}, c.words...)...).CombinedOutput()
		got := strings.Fields(string(out))
		want := strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("pen %q: %q, %v; want %q", c.words, got, err, want)
		}
	}
}
