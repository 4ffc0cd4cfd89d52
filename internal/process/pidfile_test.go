package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func init() {
	roles["pid without rights"] = func() int {
		if isRoot() {
			if err := Drop(stranger, ""); err != nil {
				fmt.Println(err)
				return 1
			}
		}
		for _, path := range strings.Split(os.Getenv(pathsVariable), ":") {
			file, err := WritePidFile(path)
			fmt.Println(err)
			if err == nil {
				fmt.Println(file.Remove())
			}
		}
		return 0
	}
}

// pathsVariable holds the files for the role, separated by colons.
const pathsVariable = "PEN_PROCESS_TEST_PATHS"

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func TestPidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pen.pid")
	for _, before := range []string{"", "123456789012\n", "1"} { // none, one left by a kill -9, a living process's
		if before != "" {
			put(t, path, before, 0o600)
		}
		file, err := WritePidFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != strconv.Itoa(os.Getpid()) {
			t.Errorf("after %q: holds %q", before, got)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if err := file.Remove(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 0 {
			t.Errorf("after %q: left behind %v, %v", before, left, err)
		}
		if err := file.Remove(); err != nil {
			t.Errorf("with the file gone: %v", err)
		}
	}
}

func TestPidFileOfAnotherStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pen.pid")
	file, err := WritePidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := strconv.Itoa(os.Getpid()) + "0"
	put(t, path, other, 0o644)
	if err := file.Remove(); err != nil {
		t.Error(err)
	}
	if got := content(t, path); got != other {
		t.Errorf("the other's file holds %q", got)
	}
	// Another's own hand may end it with a new line; ours is still ours then.
	put(t, path, strconv.Itoa(os.Getpid())+"\n", 0o644)
	if err := file.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("our file is still there: %v", err)
	}
}

func TestPidFileRefuses(t *testing.T) {
	dir := t.TempDir()
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	put(t, target, "precious", 0o644)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/dev/null":                      "not a regular file",
		dir:                              "not a regular file",
		link:                             "not a regular file",
		filepath.Join(dir, "none", "x"):  "no such file or directory",
		filepath.Join(target, "pen.pid"): "not a directory",
	} {
		file, err := WritePidFile(path)
		if file != nil || err == nil || err.Error() != "write pid file "+path+": "+want {
			t.Errorf("got %v, %v; want %s", file, err, want)
		}
	}
	if got := content(t, target); got != "precious" {
		t.Errorf("the link's target holds %q", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestPidFileWithoutRights(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "pen") // t.TempDir lets in its owner only
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	open, closed, none := filepath.Join(dir, "open"), filepath.Join(dir, "closed"), filepath.Join(dir, "none")
	put(t, open, "a longer text than a process id", 0o666)
	put(t, closed, "1", 0o444)
	if err := os.Chmod(dir, 0o555); err != nil { // nobody, root apart, may make or remove files in it
		t.Fatal(err)
	}
	cmd := role(t, "pid without rights", pathsVariable+"="+strings.Join([]string{closed, none, open}, ":"))
	got := play(t, cmd)
	want := []string{
		"write pid file " + closed + ": permission denied",
		"write pid file " + none + ": permission denied",
		"<nil>",
		"remove pid file " + open + ": permission denied",
	}
	if got.code != 0 || fmt.Sprint(lines(got.stdout)) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %v", got, want)
	}
	if got := content(t, open); got != strconv.Itoa(cmd.Process.Pid) {
		t.Errorf("the open file holds %q", got)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}
