package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/pen-bugs.md has a line for each of PEN.md's bugs, in their order, and every test that it names exists. One of them at least says that it is about the bug: it has the number in its
// name or, as "PEN.md B7", in its text, or it is the bug's scene or quirk in the comparison with Debian's pen.
func TestEveryBugHasATest(t *testing.T) {
	const bugs, columns = 28, 5
	root := filepath.Join("..", "..")
	table, err := os.ReadFile(filepath.Join(root, "docs", "pen-bugs.md"))
	if err != nil {
		t.Fatal(err)
	}
	scenes := map[string]bool{}
	for _, d := range differences {
		scenes[d.number] = d.scene != nil
	}
	rooms := map[string]map[string]string{}
	n := 0
	for line := range strings.Lines(string(table)) {
		if !strings.HasPrefix(line, "| B") {
			continue
		}
		n++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != columns {
			t.Fatalf("%d columns, want %d: %s", len(cells), columns, line)
		}
		for i := range cells {
			if cells[i] = strings.TrimSpace(cells[i]); cells[i] == "" {
				t.Errorf("column %d is empty: %s", i+1, line)
			}
		}
		bug := fmt.Sprint("B", n)
		if cells[0] != bug {
			t.Fatalf("after B%d there is %q", n-1, cells[0])
		}
		number := regexp.MustCompile(`PEN\.md B(?:\d+, B)*` + fmt.Sprint(n) + `\b`)
		claimed := false
		for group := range strings.SplitSeq(cells[3], ";") {
			room, names, _ := strings.Cut(strings.TrimSpace(group), ": ")
			if rooms[room] == nil {
				rooms[room] = testsOf(t, filepath.Join(root, room))
			}
			for name := range strings.SplitSeq(names, ", ") {
				name, scene, isScene := strings.Cut(strings.Trim(name, "*"), "/")
				text, ok := rooms[room][name]
				if !ok {
					t.Errorf("%s: %s has no test %q", bug, room, name)
				}
				if isScene && (scene != bug || !scenes[scene]) {
					t.Errorf("%s: there is no scene %q for it", bug, scene)
				}
				_, quirk := quirks[bug]
				claimed = claimed || isScene || quirk && name == "TestDifferential" || strings.HasPrefix(name, "Test"+bug) || number.MatchString(text)
			}
		}
		if !claimed {
			t.Errorf("%s: none of its tests says that it is about it", bug)
		}
	}
	if n != bugs {
		t.Errorf("%d bugs, want %d", n, bugs)
	}
}

// testsOf is the text of each test and fuzz test in a directory, with its comment, by its name.
func testsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, content, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			from := f.Pos()
			if f.Doc != nil {
				from = f.Doc.Pos()
			}
			found[f.Name.Name] = string(content[set.Position(from).Offset:set.Position(f.End()).Offset])
		}
	}
	return found
}
