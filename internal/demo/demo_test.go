package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// swift is a tour at machine pace.
func swift() demo {
	return demo{self: "/proc/self/exe", pace: pace{start: 5 * time.Second, home: 300 * time.Millisecond, count: 5 * time.Second, limit: 15 * time.Second}, bulk: 5<<20 + 7}
}

// give runs the tour against a stand-in.
func give(t *testing.T, mode string, d demo, args ...string) (code int, text string) {
	t.Helper()
	t.Setenv(modeVariable, mode)
	tr := newTranscript()
	code = d.run(t.Context(), args, tr)
	return code, tr.String()
}

var processLine = regexp.MustCompile(`process (\d+)\.`)

// gone waits until the balancer that text names has ended.
func gone(t *testing.T, text string) {
	t.Helper()
	m := processLine.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no process number in:\n%s", text)
	}
	deadline := time.Now().Add(5 * time.Second)
	for running(m[1]) {
		if time.Now().After(deadline) {
			t.Fatalf("the balancer, process %s, is still there", m[1])
		}
		time.Sleep(time.Millisecond)
	}
}

// running tells whether a process is there and not merely unburied.
func running(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestTourOfAGoodBalancer(t *testing.T) {
	code, text := give(t, "sticky", swift(), "--tour-only")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"120 requests, none failed", "every client met one server only", "all three servers are used: web1 has ",
		" clients of web2 are served by others", "no client of web1 or web3 has moved", " down\n",
		"its clients were home", "and they stay there", " up\n",
		"every byte as it was sent", "99.0 % of all bytes", "Everything was as announced.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, no := range []string{"NO ", "\x1b", "Yours to try"} {
		if strings.Contains(text, no) {
			t.Errorf("%q is there", no)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	gone(t, text)
}

func TestTourOfABadBalancerFails(t *testing.T) {
	for _, c := range []struct {
		mode string
		want []string
	}{
		{"roundrobin", []string{"clients met several servers: 127.0.0.11 (1 2 3), 127.0.0.12 (1 2 3)"}},
		{"lossy", []string{"requests failed, the first with:"}},
		{"settler", []string{"its clients were not home after"}},
		{"lopsided,corrupt", []string{"not all three servers are used: web1 has 12 clients, web2 0, web3 0", "not the bytes that were sent"}},
		{"reshuffle,short", []string{"clients of web1 or web3 moved: ", "the transfer broke off after 1048"}},
	} {
		t.Run(c.mode, func(t *testing.T) {
			code, text := give(t, c.mode, swift(), "--tour-only")
			steps, summary, _ := strings.Cut(text, "Not as announced:")
			for _, want := range c.want {
				if !strings.Contains(steps, want) || !strings.Contains(summary, want) {
					t.Errorf("no %q where it happened and in the summary", want)
				}
			}
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if t.Failed() {
				t.Log(text)
			}
			gone(t, text)
		})
	}
}

func TestBalancerThatNeverAnswersEndsTheTour(t *testing.T) {
	d := swift()
	d.pace.limit = 200 * time.Millisecond
	if code, text := give(t, "mute", d, "--tour-only"); code != 1 || !strings.Contains(text, "pen demo: the tour did not end within 200ms") {
		t.Errorf("exit code %d in:\n%s", code, text)
	}
}

func TestBalancerThatDiesEndsTheTour(t *testing.T) {
	code, text := give(t, "mortal", swift(), "--tour-only")
	if code != 1 || !strings.Contains(text, "| stand-in gives up") || !strings.Contains(text, "the balancer stopped by itself (exit status 3)") {
		t.Errorf("exit code %d in:\n%s", code, text)
	}
}

func TestBalancerThatDoesNotStart(t *testing.T) {
	code, text := give(t, "sticky", swift(), "--no-such-flag")
	if code != 64 || !strings.HasPrefix(text, "pen: unknown flag: --no-such-flag\n") || !strings.Contains(text, "/proc/self/exe -f --no-such-flag -x 2000 ") {
		t.Errorf("unknown flag: exit code %d in:\n%s", code, text)
	}
	if code, text := give(t, "sticky", swift(), "--version"); code != 0 || text != "stand-in 1.0\n" {
		t.Errorf("--version: exit code %d in:\n%s", code, text)
	}
	d := swift()
	d.pace.start = 50 * time.Millisecond
	if code, text := give(t, "closed", d); code != 1 || !strings.Contains(text, "did not accept on 127.0.0.1:") {
		t.Errorf("no listener: exit code %d in:\n%s", code, text)
	}
	d.self = "/nonexistent/pen"
	if code, text := give(t, "sticky", d); code != 1 || !strings.Contains(text, "pen demo: start the balancer: ") {
		t.Errorf("no binary: exit code %d in:\n%s", code, text)
	}
}

func TestHelp(t *testing.T) {
	if code, text := give(t, "sticky", swift(), "--help"); code != 0 || text != usage {
		t.Errorf("exit code %d, %q", code, text)
	}
}

func TestStaysUpAfterTheTour(t *testing.T) {
	t.Setenv(modeVariable, "sticky")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr := newTranscript()
	exit := make(chan int)
	d := swift()
	go func() { exit <- d.run(ctx, []string{"--loops", "1"}, tr) }()
	tr.await(t, "Ctrl-C ends it all.")
	line := regexp.MustCompile(`/proc/self/exe -f --loops 1 -x 2000 --check-interval 0.2 --check-timeout 0.2 --rise 1 --fall 2 -b 2( 127\.0\.0\.1:\d+){4}\n`)
	if !line.MatchString(tr.String()) {
		t.Errorf("no command line in:\n%s", tr)
	}
	pid, _ := strconv.Atoi(processLine.FindStringSubmatch(tr.String())[1])
	syscall.Kill(pid, syscall.SIGUSR1)
	tr.await(t, "| statistics: ")
	cancel()
	if code := <-exit; code != 0 || !strings.HasSuffix(tr.String(), "\nEnding.\n") {
		t.Errorf("exit code %d after the tour", code)
	}
	gone(t, tr.String())
}

// startDemo runs the demo in a process of its own and returns it with what it writes, up to the balancer's process number.
func startDemo(t *testing.T) (cmd *exec.Cmd, rest *bufio.Reader, text string) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe", "--tour-only")
	cmd.Env = append(os.Environ(), modeVariable+"=demo")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rest = bufio.NewReader(out)
	for !processLine.MatchString(text) {
		line, err := rest.ReadString('\n')
		text += line
		if err != nil {
			t.Fatalf("%v after:\n%s", err, text)
		}
	}
	return cmd, rest, text
}

func TestInterruptDuringTheTour(t *testing.T) {
	cmd, rest, text := startDemo(t)
	cmd.Process.Signal(syscall.SIGINT)
	tail, _ := io.ReadAll(rest)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(string(tail), "Broken off.") {
		t.Errorf("exit code %d after:\n%s%s", code, text, tail)
	}
	gone(t, text)
}

func TestNothingIsLeftWhenTheDemoIsKilled(t *testing.T) {
	cmd, rest, text := startDemo(t)
	cmd.Process.Kill()
	io.Copy(io.Discard, rest)
	cmd.Wait()
	gone(t, text)
}

func TestFreeAddress(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	taken := fmt.Sprintf("127.0.0.1:%d", port)
	if got, err := freeAddress(port); err != nil || got == taken {
		t.Errorf("port in use: %s, %v", got, err)
	}
	l.Close()
	if got, err := freeAddress(port); err != nil || got != taken {
		t.Errorf("port not in use: %s, %v; want %s", got, err, taken)
	}
}

func TestStopKillsWhoDoesNotStop(t *testing.T) {
	t.Setenv(modeVariable, "deaf")
	c, err := startChild("/proc/self/exe", []string{"127.0.0.1:0", "a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	<-c.journal.news
	c.Signal(syscall.SIGTERM)
	c.Stop(20 * time.Millisecond)
	if got := c.Ending(); got != "signal: killed" || c.ExitCode() != 1 {
		t.Errorf("%s, exit code %d", got, c.ExitCode())
	}
}
