package process

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// stranger is a user who does not run these tests: nobody, or daemon if it is nobody who does.
var stranger = func() *User {
	if os.Getuid() == 65534 {
		return &User{Name: "stranger", UID: 1, GID: 1}
	}
	return &User{Name: "stranger", UID: 65534, GID: 65534}
}()

// jailVariable names the directory for the role "jail".
const jailVariable = "PEN_PROCESS_TEST_JAIL"

func init() {
	roles["drop"] = func() int {
		for range 4 { // every thread there is must change
			started := make(chan struct{})
			go func() {
				runtime.LockOSThread()
				close(started)
				select {}
			}()
			<-started
		}
		if err := Drop(stranger, ""); err != nil {
			fmt.Println(err)
			return 1
		}
		return printThreads()
	}
	roles["jail"] = func() int {
		if err := Drop(stranger, os.Getenv(jailVariable)); err != nil {
			fmt.Println(err)
			return 1
		}
		here, err := os.Getwd()
		entries, listErr := os.ReadDir(".")
		_, escape := os.Stat("../../../../etc")
		fmt.Println(here, err, entries, listErr, os.IsNotExist(escape), os.Geteuid())
		return 0
	}
	roles["refused"] = func() int {
		self := &User{Name: "self", UID: os.Getuid(), GID: os.Getgid()}
		if isRoot() {
			self = stranger
			if err := Drop(stranger, ""); err != nil {
				fmt.Println(err)
				return 1
			}
		}
		fmt.Println(Drop(&User{Name: "another", UID: 2, GID: 2}, ""))
		fmt.Println(Drop(&User{Name: "root"}, ""))
		fmt.Println(Drop(nil, "/"))
		fmt.Println(Drop(self, "")) // nothing to do, and allowed
		fmt.Println(Drop(nil, ""))
		return 0
	}
	roles["half dropped"] = func() int {
		// A process that kept root as its saved user looks like a stranger and is not.
		fmt.Println(syscall.Setresgid(stranger.GID, stranger.GID, stranger.GID), syscall.Setresuid(stranger.UID, stranger.UID, 0))
		fmt.Println(Drop(stranger, ""))
		return 0
	}
}

// printThreads prints who each thread is, once for all that are the same.
func printThreads() int {
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) < 5 {
		fmt.Println(tasks, err)
		return 1
	}
	var seen []string
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		var ids []string
		for line := range strings.Lines(string(text)) {
			if key, _, _ := strings.Cut(line, ":"); slices.Contains([]string{"Uid", "Gid", "Groups", "CapEff", "CapPrm"}, key) {
				ids = append(ids, strings.Join(strings.Fields(line), " "))
			}
		}
		seen = append(seen, strings.Join(ids, " "))
	}
	slices.Sort(seen)
	fmt.Println(strings.Join(slices.Compact(seen), "\n"))
	return 0
}

const refusal = "become user stranger: set groups: operation not permitted\n"

func TestDropUser(t *testing.T) {
	want, code := "Uid: 65534 65534 65534 65534 Gid: 65534 65534 65534 65534 Groups: 65534 CapPrm: 0000000000000000 CapEff: 0000000000000000\n", 0
	if !isRoot() {
		want, code = refusal, 1
	}
	if got := play(t, role(t, "drop")); got.stdout != want || got.code != code {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestDropIntoJail(t *testing.T) {
	jail := t.TempDir()
	put(t, filepath.Join(jail, "inside"), "", 0o644)
	if err := os.Chmod(jail, 0o755); err != nil {
		t.Fatal(err)
	}
	want, code := "/ <nil> [- inside] <nil> true 65534\n", 0
	if !isRoot() {
		want, code = "change root to "+jail+": operation not permitted\n", 1
	}
	if got := play(t, role(t, "jail", jailVariable+"="+jail)); got.stdout != want || got.code != code {
		t.Errorf("got %+v, want %s", got, want)
	}
	// What is not there is no jail for anybody.
	want = "change root to /nonexistent/jail: no such file or directory\n"
	if got := play(t, role(t, "jail", jailVariable+"=/nonexistent/jail")); got.stdout != want || got.code != 1 {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestDropRefused(t *testing.T) {
	got := play(t, role(t, "refused"))
	want := []string{
		"become user another: set groups: operation not permitted",
		"become user root: set groups: operation not permitted",
		"change root to /: operation not permitted",
		"<nil>",
		"<nil>",
	}
	if got.code != 0 || !slices.Equal(lines(got.stdout), want) {
		t.Errorf("got %+v, want %v", got, want)
	}
}

func TestDropNoticesTheWayBack(t *testing.T) {
	want := "<nil> <nil>\nbecome user stranger: it could become root again\n"
	if !isRoot() {
		want = "operation not permitted operation not permitted\n" + refusal
	}
	if got := play(t, role(t, "half dropped")); got.stdout != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestLookupUser(t *testing.T) {
	root, err := user.LookupId("0")
	if err != nil {
		t.Fatal(err)
	}
	known, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(known.Uid)
	gid, _ := strconv.Atoi(known.Gid)
	for name, want := range map[string]User{
		root.Username: {root.Username, 0, 0},
		"nobody":      {"nobody", uid, gid},
		known.Uid:     {known.Uid, uid, gid},
		"0":           {"0", 0, 0},
		"4000000001":  {"4000000001", 4000000001, 4000000001}, // nobody's number
	} {
		got, err := LookupUser(name)
		if err != nil || *got != want {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"no-such-user", "-1", "4294967295", "99999999999", "65534:65534", ""} {
		got, err := LookupUser(name)
		if want := fmt.Sprintf("look up user %q: no such user", name); got != nil || err == nil || err.Error() != want {
			t.Errorf("%q: got %v, %v; want %s", name, got, err, want)
		}
	}
}
