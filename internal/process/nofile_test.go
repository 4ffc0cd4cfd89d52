package process

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func init() {
	roles["nofile"] = func() int {
		fmt.Println(RaiseNofile())
		// The runtime has raised the limit before us; so lower it again to see that we can.
		fmt.Println(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 30, Max: 90}))
		fmt.Println(RaiseNofile())
		// And what it says is so: 90 descriptors can be open, one more cannot.
		highest := 0
		for {
			fd, err := syscall.Dup(0)
			if err != nil {
				fmt.Println(highest, err)
				break
			}
			highest = fd
		}
		return 0
	}
}

func TestRaiseNofile(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 40 && ulimit -Hn 90 && exec "$0"`, path)
	cmd.Env = append(os.Environ(), roleVariable+"=nofile", noExitPause)
	got := play(t, cmd)
	want := []string{"90 <nil>", "<nil>", "90 <nil>", "89 too many open files"}
	if got.code != 0 || strings.Join(lines(got.stdout), "|") != strings.Join(want, "|") {
		t.Errorf("got %+v, want %v", got, want)
	}
}
