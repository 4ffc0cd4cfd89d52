package process

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pen/internal/testkit"
)

// roleVariable makes this test binary play a part instead of running tests: what becomes of a process can only be seen in one that is not ours.
const roleVariable = "PEN_PROCESS_TEST_ROLE"

// noExitPause keeps the race detector from sleeping for a second at the end of each process.
const noExitPause = "GORACE=atexit_sleep_ms=0"

// roles are the parts: each returns an exit status.
var roles = map[string]func() int{}

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		os.Exit(roles[name]())
	}
	testkit.Main(m)
}

// role prepares a process that plays a part.
func role(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	if roles[name] == nil {
		t.Fatalf("there is no role %s", name)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-a", "b c")
	cmd.Env = append(append(os.Environ(), roleVariable+"="+name, noExitPause), env...)
	return cmd
}

// outcome is what is left of a process.
type outcome struct {
	stdout, stderr string
	code           int
}

// play runs a command to its end, which includes that of everyone who has its stdout or stderr open.
func play(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// isRoot says what the tests of dropping rights may expect.
func isRoot() bool { return os.Geteuid() == 0 }

// lines splits what a role printed.
func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
