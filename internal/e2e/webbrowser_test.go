package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	cdpnetwork "github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserLimit is how long a browser may take for all of a test.
const browserLimit = 40 * time.Second

// browser is a headless Chromium with one page open. It keeps what the page complains of and whom it asks.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	trouble []string        // guarded by mu: messages on the console that are no news, exceptions, what the policy refused
	hosts   map[string]bool // guarded by mu: that were asked for something
}

// openBrowser starts Chromium (scripts/need chromium).
func openBrowser(t *testing.T) *browser {
	t.Helper()
	limited, cancel := context.WithTimeout(context.Background(), browserLimit)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, cancelAllocator := chromedp.NewExecAllocator(limited, options...)
	ctx, cancelTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // it tells of events newer than itself; what fails, Run returns
	b := &browser{t: t, ctx: ctx, hosts: map[string]bool{}}
	t.Cleanup(func() {
		cancelTab()
		cancelAllocator()
		chromedp.FromContext(ctx).Allocator.Wait()
		cancel()
	})
	chromedp.ListenTarget(ctx, b.hear)
	b.does(log.Enable(), cdpnetwork.Enable())
	return b
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.trouble = append(b.trouble, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.trouble = append(b.trouble, fmt.Sprint(e.Type, e.Args))
	case *log.EventEntryAdded:
		b.trouble = append(b.trouble, e.Entry.Text)
	case *cdpnetwork.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
			b.hosts[u.Host] = true
		}
	}
}

func (b *browser) does(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
}

// holds asks the page whether an expression of its own language is true.
func (b *browser) holds(expression string) bool {
	b.t.Helper()
	var is bool
	b.does(chromedp.Evaluate(expression, &is))
	return is
}

func (b *browser) becomes(expression string) {
	b.t.Helper()
	eventually(b.t, patience, "the page shows "+expression, func() bool { return b.holds(expression) })
}

// complaints returns what the page complained of since it was last asked, but for those that are expected.
func (b *browser) complaints(expected string) (left []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.trouble {
		if expected == "" || !strings.Contains(text, expected) {
			left = append(left, text)
		}
	}
	b.trouble = nil
	return left
}

// A person at the page: sees a server go down and return, finds a client and why it goes where it goes, is refused without the token and obeyed with it.
// PEN_SHOTS=DIR keeps pictures.
func TestBrowser(t *testing.T) {
	t.Parallel()
	servers, addresses := serveNamed(t, 2)
	w := openWindow(t, "raw", nil, addresses...)
	for i := range 20 {
		mustVisit(t, client(i, w.address), w.address)
	}
	w.becomes("/readyz", 200)
	b := openBrowser(t)
	state := func(n int) string {
		return fmt.Sprintf(`document.querySelector('#rows tr[data-number="%d"] [data-k=state]').textContent`, n)
	}
	b.does(chromedp.Navigate(w.base + "/"))
	b.becomes(`document.getElementById("live").textContent === "live"`)
	b.becomes(state(1) + ` === "up"`)

	b.becomes(`document.getElementById("loop-rows").rows.length === ` + strconv.Itoa(int(w.figure("pen_loops"))))
	b.becomes(`[...document.getElementById("detail-rows").rows].every((row, i) => i > 1 || Number(row.cells[5].textContent) > 0 && row.cells[8].textContent.includes("fin "))`)
	mustVisit(t, client(3, w.address), w.address)
	b.becomes(`[...document.getElementById("detail-rows").rows].some((row) => /s$/.test(row.cells[1].textContent) && /s$/.test(row.cells[4].textContent))`)

	servers[1].close()
	b.becomes(state(1) + `.startsWith("checks fail")`)
	serve(t, addresses[1], named("b"))
	b.becomes(state(1) + ` === "up"`)

	b.does(chromedp.SendKeys("#address", client(3, w.address).String()+"\r")) // by the keyboard
	b.becomes(`document.getElementById("client-rows").rows.length === 1`)
	b.becomes(`!document.getElementById("why").hidden && document.getElementById("why").textContent.includes("answer")`)
	if left := b.complaints(""); len(left) > 0 {
		t.Errorf("the page complains: %q", left)
	}

	// What if: who would move, before anything is done. Half of the twenty clients are at home on each server.
	b.does(chromedp.Click("#suppose button"))
	b.becomes(`document.getElementById("supposed").textContent.startsWith("10 of 20 clients")`)
	b.becomes(`!document.getElementById("forecast").hidden && document.getElementById("load-rows").rows.length === 2 && document.getElementById("move-rows").rows.length === 1`)
	b.does(chromedp.SetValue("#suppose-change", "weight"), chromedp.Evaluate(`document.getElementById("suppose-change").dispatchEvent(new Event("change"))`, nil),
		chromedp.WaitVisible("#suppose-value"), chromedp.SendKeys("#suppose-value", "7\r"))
	b.becomes(`document.getElementById("supposed").textContent.startsWith("0 of 20 clients")`)
	b.does(chromedp.SetValue("#suppose-change", "down"), chromedp.Click("#suppose button"))
	b.becomes(`document.getElementById("supposed").textContent.startsWith("10 of 20 clients")`)
	if !b.holds(state(0) + ` === "up"`) {
		t.Error("a simulation has done something")
	}

	press := func(token string) {
		b.does(chromedp.Click(`#rows tr[data-number="0"] summary`), chromedp.Click(`#rows tr[data-number="0"] [data-do=drain]`),
			chromedp.WaitVisible("#token"), chromedp.SendKeys("#token", token), chromedp.Click("#ask .primary"))
	}
	press("not-the-token-0123456789")
	b.becomes(`document.getElementById("said").textContent.includes("token")`)
	if !b.holds(state(0) + ` === "up"`) {
		t.Error("drained without the token")
	}
	press(w.token)
	b.becomes(state(0) + ` === "drained"`)
	if left := b.complaints("401"); len(left) > 0 { // the browser itself tells of that status
		t.Errorf("the page complains: %q", left)
	}

	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 400, 768, 1400} {
			var picture []byte
			b.does(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500))
			if !b.holds(`document.documentElement.scrollWidth <= innerWidth`) {
				t.Errorf("%s, %d pixels: wider than the screen", scheme, width)
			}
			if dir := os.Getenv("PEN_SHOTS"); dir != "" {
				b.does(chromedp.FullScreenshot(&picture, 100))
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", scheme, width)), picture, 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if host := strings.TrimPrefix(w.base, "http://"); len(b.hosts) != 1 || !b.hosts[host] {
		t.Errorf("the page asks %v, want nobody but %s", b.hosts, host)
	}
}
