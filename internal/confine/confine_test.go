package confine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// dirVariable names a directory for the role "files".
const dirVariable = "PEN_CONFINE_TEST_DIR"

func init() {
	roles["caps"] = func() {
		for range 4 { // every thread there is must change
			started := make(chan struct{})
			go func() {
				runtime.LockOSThread()
				close(started)
				select {}
			}()
			<-started
		}
		for _, line := range Enter(Limits{Caps: []Capability{NetBindService}}) {
			fmt.Println(line)
		}
		tasks, _ := filepath.Glob("/proc/self/task/*/status")
		var seen []string
		for _, path := range tasks {
			var line []string
			for _, key := range []string{"CapInh", "CapPrm", "CapEff", "NoNewPrivs"} {
				line = append(line, key+"="+status(path, key))
			}
			seen = append(seen, strings.Join(line, " "))
		}
		slices.Sort(seen)
		fmt.Println(len(seen) > 4)
		fmt.Println(strings.Join(slices.Compact(seen), "\n"))
		out, err := exec.Command("/bin/grep", "CapPrm", "/proc/self/status").Output()
		fmt.Println("after an execve:", strings.Join(strings.Fields(string(out)), " "), err)
	}
	roles["files"] = func() {
		dir := os.Getenv(dirVariable)
		in := func(name string) string { return filepath.Join(dir, name) }
		for _, line := range Enter(Limits{AllCaps: true, Files: &Files{Read: []string{in("read"), in("nowhere")}, Write: []string{in("write")}}}) {
			fmt.Println(line)
		}
		done := make(chan struct{})
		go func() { // in another thread
			defer close(done)
			runtime.LockOSThread()
			_, err := os.ReadFile(in("read/file"))
			fmt.Println("read:", err)
			fmt.Println("write what is for reading:", os.WriteFile(in("read/file"), nil, 0o600))
			fmt.Println("write:", os.WriteFile(in("write/file"), nil, 0o600), os.Rename(in("write/file"), in("write/other")), os.Remove(in("write/other")))
			_, err = os.ReadFile(in("else/file"))
			fmt.Println("read elsewhere:", err)
			fmt.Println("write elsewhere:", os.WriteFile(in("else/new"), nil, 0o600))
			fmt.Println("make a directory:", os.Mkdir(in("write/dir"), 0o700))
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			fmt.Println("null:", err)
			null.Close()
		}()
		<-done
	}
}

// status reads one line of a file of /proc/PID/status's form.
func status(path, key string) string {
	content, _ := os.ReadFile(path)
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// After Enter every thread has the capabilities that are kept and no other, and an execve as root would give no more.
func TestCapabilities(t *testing.T) {
	had := status("/proc/self/status", "CapPrm")
	want := []string{"true", "CapInh=0000000000000000 CapPrm=0000000000000400 CapEff=0000000000000400 NoNewPrivs=1", "after an execve: CapPrm: 0000000000000000 <nil>"}
	if os.Geteuid() != 0 {
		want[1] = "CapInh=0000000000000000 CapPrm=" + had + " CapEff=" + had + " NoNewPrivs=1"
	}
	if got := play(t, "caps"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// With Landlock a process reads and writes where it may and nowhere else, root or not.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"read", "write", "else"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, sub, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	denied := func(call, name string) string {
		return call + " " + filepath.Join(dir, name) + ": permission denied"
	}
	want := []string{
		"read: <nil>",
		"write what is for reading: " + denied("open", "read/file"),
		"write: <nil> <nil> <nil>",
		"read elsewhere: " + denied("open", "else/file"),
		"write elsewhere: " + denied("open", "else/new"),
		"make a directory: " + denied("mkdir", "write/dir"),
		"null: <nil>",
	}
	got := play(t, "files", dirVariable+"="+dir)
	if slices.Equal(got[:1], []string{"not confined by Landlock: " + errNoLandlock.Error()}) {
		t.Logf("this kernel has no Landlock: %q", got)
		return
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}
