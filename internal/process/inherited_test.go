package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func init() {
	roles["inherit"] = func() int {
		all, err := Inherit()
		for _, one := range all {
			fmt.Println(one, one.FD.Int() >= 0)
		}
		fmt.Printf("%v %q\n", err, os.Getenv("LISTEN_PID")+os.Getenv("LISTEN_FDS")+os.Getenv("LISTEN_FDNAMES"))
		return 0
	}
}

// What is meant for this process is taken over, and the names are gone from the environment; what is another's is not.
func TestInherit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	listener, err := unix.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	plain, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, c := range []struct {
		pid    string
		passed []*os.File
		want   string
	}{
		{"$$", []*os.File{listener}, path + " true\n<nil> \"\"\n"},
		{"$$", []*os.File{listener, plain}, "inherit descriptor 4 (other): not a stream socket that listens \"\"\n"},
		{"1", []*os.File{listener}, "<nil> \"\"\n"}, // another's
		{"$$", nil, "<nil> \"\"\n"},
	} {
		cmd := role(t, "inherit")
		cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`LISTEN_PID=%s LISTEN_FDS=%d LISTEN_FDNAMES=pen.socket:other exec "$0"`, c.pid, len(c.passed))}, cmd.Path)
		cmd.Path = "/bin/sh"
		cmd.ExtraFiles = c.passed
		if got := play(t, cmd); got != (outcome{stdout: c.want}) {
			t.Errorf("LISTEN_PID %s, %d passed: %+v, want %q", c.pid, len(c.passed), got, c.want)
		}
	}
}
