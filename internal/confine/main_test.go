package confine

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pen/internal/testkit"
)

// roleVariable makes this test binary play a part instead of running tests: nothing here can be undone, so it is done to a process that ends.
const roleVariable = "PEN_CONFINE_TEST_ROLE"

// roles are the parts: each prints what it saw.
var roles = map[string]func(){}

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		roles[name]()
		os.Exit(0)
	}
	testkit.Main(m)
}

// play has a process play a part and returns the lines it printed.
func play(t *testing.T, name string, env ...string) []string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(append(os.Environ(), roleVariable+"="+name, "GORACE=atexit_sleep_ms=0"), env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s%s", name, err, out, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
