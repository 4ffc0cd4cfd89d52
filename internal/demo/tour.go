package demo

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// pace is what makes the tour readable, and what ends one that goes wrong.
type pace struct {
	read  time.Duration // after an announcement and after a step's judgements
	beat  time.Duration // between the columns of a grid
	pause time.Duration // of a client under load between two requests
	start time.Duration // how long the balancer may take to accept
	home  time.Duration // how long clients may take to come home
	count time.Duration // how long the balancer may take to log its statistics
	limit time.Duration // of the whole tour
}

// humanPace makes a tour of about 15 s.
var humanPace = pace{read: 700 * time.Millisecond, beat: 110 * time.Millisecond, pause: 15 * time.Millisecond, start: 5 * time.Second, home: 5 * time.Second, count: time.Second, limit: 45 * time.Second}

// tour is one performance.
type tour struct {
	// constant after newTour
	*demo
	screen  *screen
	servers []*server
	pen     *child
	front   string // host:port of the balancer
	clients []*client
	// owned by give
	begun    time.Time
	mark     int      // in the balancer's log: lines before it have been shown
	failures []string // what was not as announced
	sum      string   // SHA-256 of the large answer, hex
}

func newTour(d *demo, scr *screen, servers []*server, pen *child, front string) *tour {
	return &tour{demo: d, screen: scr, servers: servers, pen: pen, front: front, clients: newClients(front)}
}

// give performs the steps and the summary. An error means that the tour was broken off.
func (t *tour) give(ctx context.Context) error {
	t.begun = time.Now()
	stage, cancel := context.WithTimeoutCause(ctx, t.pace.limit, fmt.Errorf("the tour did not end within %s", t.pace.limit))
	defer cancel()
	stage, fail := context.WithCancelCause(stage)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-t.pen.done:
			fail(errBalancerGone)
		case <-stage.Done():
		}
	}()
	defer func() {
		fail(nil)
		<-watched
	}()

	err := t.steps(stage)
	switch {
	case err == nil:
		t.summary()
		return nil
	case ctx.Err() != nil:
		t.screen.title("Broken off.")
		return err
	case errors.Is(err, errBalancerGone):
		return t.lament()
	default:
		return err
	}
}

func (t *tour) steps(ctx context.Context) error {
	t.welcome()
	due := startDigest(ctx, t.bulk)
	defer due.Wait()
	if err := t.sticky(ctx); err != nil {
		return err
	}
	if err := t.failure(ctx); err != nil {
		return err
	}
	return t.transfer(ctx, due)
}

func (t *tour) welcome() {
	t.screen.print(t.screen.paint(bold, "pen demo: one balancer, three web servers, a tour of 15 seconds"))
	t.screen.print("")
	t.screen.say(fmt.Sprintf("The balancer listens on %s, process %d.", t.front, t.pen.cmd.Process.Pid))
	for i, s := range t.servers {
		t.screen.say(fmt.Sprintf("%s listens on %s.", t.screen.paint(serverStyles[i+1], s.name), s.addr))
	}
}

// announce begins a step.
func (t *tour) announce(ctx context.Context, title, text string) error {
	t.screen.title(title)
	t.screen.say(text)
	return rest(ctx, t.pace.read)
}

// judge writes one judgement: claim if it holds, else what was seen instead, which the summary repeats.
func (t *tour) judge(ok bool, claim, instead string) {
	if ok {
		t.screen.verdict(true, claim)
		return
	}
	t.screen.verdict(false, instead)
	t.failures = append(t.failures, instead)
}

// judgeRequests judges that of n requests none failed.
func (t *tour) judgeRequests(n, failed int, first error) {
	t.judge(failed == 0, fmt.Sprintf("%s requests, none failed", thousands(n)),
		fmt.Sprintf("%s of %s requests failed, the first with: %v", thousands(failed), thousands(n), first))
}

// quoteLog shows what the balancer logged about the servers' health since the last time.
func (t *tour) quoteLog() {
	lines, next := t.pen.journal.Since(t.mark)
	t.mark = next
	shown := 0
	for _, line := range lines {
		if shown < 4 && interesting(line, t.servers) {
			t.screen.quote(line)
			shown++
		}
	}
}

var healthWord = regexp.MustCompile(`(?i)\b(up|down|back|dead|alive|healthy|unhealthy|shunn?(ed|ing)|blacklist(ed|ing)?)\b`)

// interesting tells whether a line of the log says that one of the servers came or went.
func interesting(line string, servers []*server) bool {
	for _, s := range servers {
		if strings.Contains(line, s.addr) {
			return healthWord.MatchString(line)
		}
	}
	return false
}

// lament shows the end of the log of a balancer that died.
func (t *tour) lament() error {
	for _, line := range t.pen.journal.Tail(8) {
		t.screen.quote(line)
	}
	return fmt.Errorf("%w (%s)", errBalancerGone, t.pen.Ending())
}

func (t *tour) summary() {
	t.screen.title("Summary")
	t.screen.print("   server                   requests   clients at home")
	for i, s := range t.servers {
		home := 0
		for _, c := range t.clients {
			if c.home == i+1 {
				home++
			}
		}
		t.screen.print(fmt.Sprintf("   %s %-19s %8s %17d", t.screen.paint(serverStyles[i+1], s.name), s.addr, thousands(int(s.requests.Load())), home))
	}
	t.screen.print("")
	took := time.Since(t.begun).Seconds()
	if len(t.failures) == 0 {
		t.screen.print(t.screen.paint(green, "   Everything was as announced.") + fmt.Sprintf(" The tour took %.0f s.", took))
		return
	}
	t.screen.print(t.screen.paint(red, "   Not as announced:"))
	for _, f := range t.failures {
		t.screen.verdict(false, f)
	}
}

// verdict is the exit code of a tour that came to its end.
func (t *tour) verdict() int {
	if len(t.failures) > 0 {
		return exitFailed
	}
	return exitOK
}

// stay shows what to try, then the balancer's log as it comes, until ctx ends or the balancer does.
func (t *tour) stay(ctx context.Context) (int, error) {
	t.screen.title("Yours to try")
	t.screen.print("   curl http://" + t.front + "/")
	t.screen.print("   curl --interface 127.0.0.31 http://" + t.front + "/    (another client)")
	t.screen.print(fmt.Sprintf("   curl -s 'http://%s/big?bytes=%d' | sha256sum", t.front, t.bulk))
	t.screen.print("   " + t.screen.paint(dim, "   expect "+t.sum))
	t.screen.print("")
	t.screen.say("The balancer was started with")
	t.screen.print("   " + t.pen.CommandLine())
	t.screen.print("")
	t.screen.say("Ctrl-C ends it all. The balancer's log follows.")
	for {
		lines, next := t.pen.journal.Since(t.mark)
		t.mark = next
		for _, line := range lines {
			t.screen.quote(line)
		}
		select {
		case <-t.pen.journal.news:
		case <-t.pen.done:
			return exitFailed, t.lament()
		case <-ctx.Done():
			t.screen.title("Ending.")
			return exitOK, nil
		}
	}
}

// rest lets d pass. The error is why ctx ended, if it did.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return context.Cause(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// thousands writes n with a space between groups of three digits.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
