package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// later finds the words that mark work left undone. They are written in two halves so that this file does not find itself.
var later = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)

// inspect walks the tree at root and returns one line per violation. It reads every Go file whatever its build tags say, except below testdata.
func inspect(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	refuse := func(name, format string, args ...any) {
		found = append(found, name+": "+fmt.Sprintf(format, args...))
	}
	module := moduleName(root)
	if module == "" {
		refuse("go.mod", "no module line")
		return found
	}
	for _, name := range strangers(t, root) {
		refuse(name, "%s may not stand at the top", name)
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if name == ".git" || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		first, _, below := strings.Cut(name, "/")
		isGo := strings.HasSuffix(name, ".go")
		if below && !slices.Contains(top, first) || !isGo && first != "scripts" && first != ".ci" {
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if n := bytes.Count(content, []byte("\n")); n > maxLines {
			refuse(name, "%d lines, more than %d", n, maxLines)
		}
		if word := later.Find(content); word != nil {
			refuse(name, "%s: left for later", word)
		}
		if isGo {
			inspectGo(name, module, content, refuse)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk %s: %v", root, err)
	}
	return found
}

func inspectGo(name, module string, content []byte, refuse func(string, string, ...any)) {
	tree, err := parser.ParseFile(token.NewFileSet(), name, content, parser.SkipObjectResolution)
	if err != nil {
		refuse(name, "does not parse: %v", err)
		return
	}
	if formatted, err := format.Source(content); err != nil || !bytes.Equal(formatted, content) {
		refuse(name, "not gofmt-ed")
	}
	isTest := strings.HasSuffix(name, "_test.go")
	if isTest && skips(tree) {
		refuse(name, "a test is skipped")
	}
	room := roomOf(path.Dir(name))
	allowed, known := policy[room]
	isRoof := slices.Contains(roof, room)
	if !known && !isRoof {
		refuse(name, "%s is not in the policy", room)
		return
	}
	if !isTest && slices.Contains(testFilesOnly, room) {
		refuse(name, "%s holds test files only", room)
	}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has vouched for the string
		}
		if door, ok := oneDoor[imported]; ok && room != door {
			refuse(name, "only %s may import %s", door, imported)
		}
		inside, ours := strings.CutPrefix(imported, module+"/")
		if !ours {
			continue
		}
		to := roomOf(inside)
		switch {
		case to == room:
		case to == "internal/testkit":
			if !isTest {
				refuse(name, "only test files may import %s", to)
			}
		case isRoof:
			if slices.Contains(roofMayNotImport, to) {
				refuse(name, "%s may not import %s", room, to)
			}
		case slices.Contains(onlyRoofImports, to):
			refuse(name, "only the roof may import %s", to)
		case !isTest && !slices.Contains(strings.Fields(allowed), to):
			refuse(name, "%s may not import %s", room, to)
		}
	}
}

// roomOf names the room a package directory belongs to: a package inside a room keeps the room's rules. The top directory is "main".
func roomOf(dir string) string {
	if dir == "." {
		return "main"
	}
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// skips reports a call of the testing package's three ways of not running a test.
func skips(tree *ast.File) (found bool) {
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			switch sel.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				found = true
			}
		}
		return true
	})
	return found
}

func moduleName(root string) string {
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "module" {
			return f[1]
		}
	}
	return ""
}

// strangers lists what stands at the top and is neither allowed nor ignored by git (and so never part of the tree).
func strangers(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var ignored []string
	if content, err := os.ReadFile(filepath.Join(root, ".gitignore")); err == nil {
		ignored = strings.Fields(string(content))
	}
	var found []string
	for _, e := range entries {
		isIgnored := slices.ContainsFunc(ignored, func(pattern string) bool {
			ok, err := path.Match(strings.Trim(pattern, "/"), e.Name())
			return err == nil && ok
		})
		if !isIgnored && !slices.Contains(top, e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found
}
