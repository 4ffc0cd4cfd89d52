// Package e2e tests the built binary from outside: it starts pen as an operator would, puts real nginx servers or its own peers behind it, real clients in front,
// and looks only at what an operator or a client can see: bytes, errors, exit codes, the log, and /proc.
//
// Every test runs with both pollers. PEN_FULL=1 runs the sizes that issue 2 asks to be shown, and the measurements; without it the sizes are those of CI.
// PEN_BIN=path tests that binary and builds none.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pen/internal/testkit"
)

// full asks for the sizes and measurements of "Must be shown".
var full = os.Getenv("PEN_FULL") == "1"

// measurements names the tests whose verdict is a measured figure; they need a quiet machine and minutes of it, and belong to the full list only.
const measurements = "^TestMeasure"

// program is the path of the binary under test.
var program = os.Getenv("PEN_BIN")

func TestMain(m *testing.M) {
	flag.Parse()
	// A program built with the race detector sleeps for a second when it ends, unless told not to. Pen is started hundreds of times here.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		fail(err)
	}
	if chosen := flag.Lookup("test.skip"); !full && chosen.Value.String() == "" {
		if err := chosen.Value.Set(measurements); err != nil {
			fail(err)
		}
	}
	dir, err := os.MkdirTemp("", "pen-e2e-")
	if err != nil {
		fail(err)
	}
	if program == "" {
		program = filepath.Join(dir, "pen")
		if err := build(program); err != nil {
			os.RemoveAll(dir)
			fail(err)
		}
	}
	code := testkit.Run(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	os.Exit(1)
}

// build makes the program, with the race detector in it when these tests have it too.
func build(to string) error {
	args := []string{"build", "-o", to}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "pen")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build pen: %w\n%s", err, out)
	}
	return nil
}

// sized is the size a test runs at: ci always, shown with PEN_FULL=1.
func sized(ci, shown int) int {
	if full {
		return shown
	}
	return ci
}

// shown prints a figure that scripts/shown lists beside the test's verdict.
func shown(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("shown: "+format, args...)
}

func eachPoller(t *testing.T, f func(t *testing.T, poller string)) {
	for _, poller := range []string{"raw", "gnet"} {
		t.Run(poller, func(t *testing.T) { f(t, poller) })
	}
}

func eachSplice(t *testing.T, f func(t *testing.T, splice string)) {
	for _, splice := range []string{"auto", "always", "never"} {
		t.Run(splice, func(t *testing.T) { f(t, splice) })
	}
}

// pause is how long eventually waits between two looks.
const pause = 2 * time.Millisecond

// eventually waits until the condition holds and fails the test if it does not within the limit. It is for conditions that can only be looked at, such as those of /proc.
func eventually(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
