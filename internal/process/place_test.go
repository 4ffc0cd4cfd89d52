package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPlaceCheck(t *testing.T) {
	jail := t.TempDir()
	if err := os.Mkdir(filepath.Join(jail, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(jail, "file"), "", 0o644)
	for _, c := range []struct {
		place Place
		want  string
	}{
		{Place{}, ""},
		{Place{User: "nobody", Chroot: jail, PidFile: "/run/pid"}, ""},
		{Place{User: "nosuchuser"}, `look up user "nosuchuser": no such user`},
		{Place{Chroot: "/nonexistent"}, "change root to /nonexistent: no such file or directory"},
		{Place{Chroot: jail + "/file"}, "change root to " + jail + "/file: not a directory"},
		{Place{PidFile: "/nonexistent/pid"}, "write pid file /nonexistent/pid: no such file or directory"},
		{Place{Chroot: jail, PidFile: "/none/pid"}, "write pid file /none/pid: no such file or directory"},
	} {
		got := ""
		if err := c.place.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.place, got, c.want)
		}
	}
	if left, err := os.ReadDir(filepath.Join(jail, "run")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
