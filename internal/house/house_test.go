// Package house checks that the tree keeps the shape that DESIGN.md gives it: who may import whom, what stands at the top, and a few rules that no compiler knows.
//
// The tables below are a STATEMENT OF POLICY. They are not to be edited to make a build pass: an import that they refuse belongs somewhere else.
// They change only together with the design.
package house

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pen/internal/testkit"
)

// policy says, for each room, which rooms of ours its shipped (non-test) code may import; nothing else, and not transitively.
// A room that stands in the tree and not here is refused. A room that stands here and not yet in the tree is fine.
// Imports point down only: roof, windows, carriers, mechanisms, facts.
var policy = map[string]string{
	// windows: only the roof imports these
	"internal/control":   "internal/balance internal/backend internal/acl",
	"internal/status":    "internal/backend affinity internal/account",
	"internal/accesslog": "internal/account",
	"internal/handoff":   "internal/sys",
	"internal/process":   "internal/sys",
	"internal/config":    "",
	"internal/weblog":    "",
	"internal/web":       "internal/backend affinity internal/account internal/balance",
	"internal/demo":      "",
	"internal/confine":   "",

	// carriers
	"loop":              "internal/sys splice internal/balance internal/account",
	"internal/udp":      "internal/sys internal/balance internal/account",
	"internal/tlsfront": "internal/balance internal/account",

	// mechanisms
	"splice":           "internal/sys",
	"internal/balance": "affinity internal/backend internal/acl",
	"probe":            "internal/backend",

	// facts: import nothing of ours
	"affinity":            "",
	"internal/sys":        "",
	"internal/backend":    "",
	"internal/acl":        "",
	"internal/account":    "",
	"internal/proxyproto": "",
	"internal/forwarded":  "",

	// a program of its own that drives the built binary as a black box
	"bench": "",

	// test files only
	"internal/testkit": "",
	"internal/house":   "",
	"internal/e2e":     "",
}

// onlyRoofImports are the windows: what they do is wired by the roof, and no room below may look out of one.
var onlyRoofImports = []string{
	"internal/config", "internal/control", "internal/status", "internal/accesslog", "internal/handoff", "internal/weblog", "internal/process", "internal/web", "internal/demo", "internal/confine",
	"internal/daemon",
}

// roof wires everything and owns lifetimes: main, and the one room it keeps that in. Nothing but main imports the latter.
var roof = []string{"main", "internal/daemon"}

// roofMayNotImport are the rooms the roof does not stand on.
var roofMayNotImport = []string{"bench", "internal/testkit", "internal/house", "internal/e2e"}

// testFilesOnly holds no shipped code: nothing but test files, or, for testkit, a package that nothing but test files imports.
var testFilesOnly = []string{"internal/house", "internal/e2e"}

// oneDoor names foreign packages with the one room that may import them, tests included.
var oneDoor = map[string]string{"golang.org/x/sys/unix": "internal/sys"}

// top is everything that may stand at the top of the tree.
var top = []string{
	"go.mod", "go.sum", "main.go", "loop", "splice", "affinity", "probe", "bench", "scripts", "README.md",
	"internal", "LICENSE", "CONTRIBUTING.md", "docs", ".ci", ".git", ".gitignore",
}

// maxLines is the longest a source file or script may be; most are under 200.
const maxLines = 500

func TestMain(m *testing.M) { testkit.Main(m) }

func TestTheTreeKeepsThePolicy(t *testing.T) {
	for _, v := range inspect(t, filepath.Join("..", "..")) {
		t.Error(v)
	}
}

// Each row plants one violation in a tree that is otherwise in order, so that a check that has gone blind is seen.
func TestEachViolationIsSeen(t *testing.T) {
	sound := map[string]string{
		"go.mod":                       "module pen\n\ngo 1.26\n",
		"main.go":                      "package main\n\nimport _ \"pen/loop\"\n\nfunc main() {}\n",
		"loop/loop.go":                 "package loop\n\nimport _ \"pen/internal/sys\"\n",
		"loop/loop_test.go":            "package loop\n\nimport (\n\t_ \"pen/affinity\"\n\t_ \"pen/internal/testkit\"\n)\n",
		"internal/sys/sys.go":          "package sys\n\nimport _ \"golang.org/x/sys/unix\"\n",
		"internal/testkit/testkit.go":  "package testkit\n",
		"internal/e2e/e2e_test.go":     "package e2e\n",
		"internal/daemon/daemon.go":    "package daemon\n\nimport (\n\t_ \"pen/internal/config\"\n\t_ \"pen/loop\"\n)\n",
		"affinity/affinity.go":         "package affinity\n",
		"affinity/testdata/gen/gen.go": "package gen\n\n\nimport _ \"pen/loop\"\n",
		".gitignore":                   "/pen\n*.prof\n",
		"pen":                          "a built binary, ignored\n",
		"cpu.prof":                     "ignored\n",
	}
	if got := inspect(t, plant(t, sound)); len(got) != 0 {
		t.Fatalf("a sound tree is refused: %q", got)
	}
	long := "package loop\n" + strings.Repeat("\n// a line\n", maxLines/2)
	for _, c := range []struct{ name, file, content, want string }{
		{"import up", "internal/sys/up.go", "package sys\n\nimport _ \"pen/loop\"\n", "internal/sys may not import loop"},
		{"import not in the table", "affinity/x.go", "package affinity\n\nimport _ \"pen/internal/backend\"\n", "affinity may not import internal/backend"},
		{"not transitive", "loop/x.go", "package loop\n\nimport _ \"pen/affinity\"\n", "loop may not import affinity"},
		{"behind a build tag", "affinity/x.go", "//go:build plan9\n\npackage affinity\n\nimport _ \"pen/loop\"\n", "affinity may not import loop"},
		{"a package inside a room", "affinity/arena/x.go", "package arena\n\nimport _ \"pen/internal/sys\"\n", "affinity may not import internal/sys"},
		{"room that is not in the table", "internal/util/util.go", "package util\n", "internal/util is not in the policy"},
		{"window opened from below, in a test", "loop/x_test.go", "package loop\n\nimport _ \"pen/internal/config\"\n", "only the roof may import internal/config"},
		{"testkit shipped", "loop/x.go", "package loop\n\nimport _ \"pen/internal/testkit\"\n", "only test files may import internal/testkit"},
		{"roof on bench", "main.go", "package main\n\nimport _ \"pen/bench\"\n\nfunc main() {}\n", "main may not import bench"},
		{"two roofs on each other", "internal/daemon/x.go", "package daemon\n\nimport _ \"pen/internal/e2e\"\n", "internal/daemon may not import internal/e2e"},
		{"bench looks inside", "bench/main.go", "package main\n\nimport _ \"pen/internal/sys\"\n", "bench may not import internal/sys"},
		{"second door", "splice/x_test.go", "package splice\n\nimport _ \"golang.org/x/sys/unix\"\n", "only internal/sys may import golang.org/x/sys/unix"},
		{"shipped code in a test room", "internal/e2e/x.go", "package e2e\n", "internal/e2e holds test files only"},
		{"stranger at the top", "util/util.go", "package util\n", "util may not stand at the top"},
		{"stray file at the top", "notes.txt", "x\n", "notes.txt may not stand at the top"},
		{"unformatted", "loop/x.go", "package loop\nvar  x int\n", "not gofmt-ed"},
		{"does not parse", "loop/x.go", "package loop\nfunc {\n", "loop/x.go"},
		{"too long", "loop/x.go", long, "501 lines"},
		{"skip", "loop/x_test.go", "package loop\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Skip" + "(\"later\") }\n", "a test is skipped"},
		{"left for later", "loop/x.go", "package loop\n\n// TO" + "DO: finish\n", "left for later"},
		{"left for later in a script", "scripts/x", "#!/bin/sh\n# FIX" + "ME\n", "left for later"},
		{"no module", "go.mod", "go 1.26\n", "no module line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := inspect(t, plant(t, sound, c.file, c.content))
			if len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Errorf("got %q, want one violation that says %q", got, c.want)
			}
		})
	}
}

// plant writes files, and then one more given as name and content, into a new directory.
func plant(t *testing.T, files map[string]string, more ...string) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		write(name, content)
	}
	for i := 0; i < len(more); i += 2 {
		write(more[i], more[i+1])
	}
	return root
}
