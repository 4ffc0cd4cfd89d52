package weblog

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, wherever they run

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience bounds every wait for something that is bound to happen.
const patience = 10 * time.Second

// write makes a file in a directory of the test's own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// merge runs mergelogs and returns what it wrote.
func merge(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = Mergelogs(args, &out, &errs)
	return status, out.String(), errs.String()
}

// merged is merge for what must go well without a word.
func merged(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := merge(args...)
	if status != 0 || stderr != "" {
		t.Fatalf("mergelogs %q: status %d, stderr %q", args, status, stderr)
	}
	return stdout
}

// inZone makes it somewhere else for the time of a test.
func inZone(t *testing.T, name string) {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Local
	time.Local = zone
	t.Cleanup(func() { time.Local = before })
}

// archive reads a file of testdata: a comment, and then parts that each begin with a line "-- name --".
func archive(t *testing.T, path string) (names []string, parts map[string]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`(?m)^-- (\S+) --\n`)
	parts = map[string]string{}
	found := heading.FindAllSubmatchIndex(data, -1)
	for i, at := range found {
		end := len(data)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		name := string(data[at[2]:at[3]])
		names = append(names, name)
		parts[name] = string(data[at[1]:end])
	}
	return names, parts
}

// recordings are the files of a directory of testdata; there must be some.
func recordings(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("recordings: %q, %v", paths, err)
	}
	for i, path := range paths {
		if paths[i], err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// firstDifference is the first line in which two texts differ, of each.
func firstDifference(a, b string) (string, string) {
	as, bs := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i], bs[i]
		}
	}
	return strings.Join(as[min(len(as), len(bs)):], ""), strings.Join(bs[min(len(as), len(bs)):], "")
}
