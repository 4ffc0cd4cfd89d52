package web

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"pen/internal/account"
	"pen/internal/backend"
)

// Without its script the page is a plain status page: everything is in the document.
func TestPageWithoutScript(t *testing.T) {
	s := shut(newFarm(), secret)
	got := ask(s, "GET", "/?address=10.0.0.1", "")
	text := got.Body.String()
	counted := func(c account.Count) string { return fmt.Sprintf("1\u202f%03d</dd>", c) }
	for _, want := range []string{"pen <span id=\"listen\">80</span>", ">ready</p>", "www1:80", html.EscapeString("<b>www2</b>:80"), "drained", "checks fail, connect failed", "emergency",
		"client fin", "2\u202f000", "10.0.0.1", "server 0 for 10.0.0.1", "max-conns", "524288",
		"<td class=\"n\">84\u202fµs</td>", "<td class=\"n\">10\u202fs</td>", "<td class=\"n\">250\u202fµs</td><td>server fin 1\u202f500</td>", "<th scope=\"row\">gone:80</th>", "<th scope=\"row\">none</th>",
		"<th scope=\"row\">1</th><td class=\"n\">1</td><td class=\"n\">0\u202f%</td>", "<span id=\"imbalance\">2.00</span>",
		"<b id=\"sum-queue\">2</b> <small><span id=\"sum-backlog\">12</span> in the backlog</small>", `<dd id="queued">` + counted(account.Queued), `<dd id="tarpitted">` + counted(account.Tarpitted), "<dd id=\"backlog\">15</dd>", "<dd id=\"drops\">16</dd>"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(text, "<b>www2") || strings.Contains(text, "ZgotmplZ") {
		t.Error("something is not escaped, or was refused")
	}
	for query, want := range map[string]string{
		"?server=0&change=down": "1\u202f235 of 3\u202f000 clients and 5 of 7 connections would move.", "?server=0&change=weight&value=7": "server: not that", "?server=0&change=frob": "nothing is done",
		"?address=nobody": "neither an address nor a prefix", "?address=10.9.9.9": "Nobody found.", "?address=": "3 found", "": "Leave it empty"} {
		if text := ask(s, "GET", "/"+query, "").Body.String(); !strings.Contains(text, want) {
			t.Errorf("%q: no %q", query, want)
		}
	}
	if readOnly := ask(shut(newFarm(), ""), "GET", "/", "").Body.String(); strings.Contains(readOnly, `data-do="drain"`) || !strings.Contains(readOnly, "Read only.") {
		t.Error("a page for nobody to act on has buttons")
	}
}

// The browser is told to run exactly this script and style, and nothing in the document is of another kind or from elsewhere.
func TestPageKeepsItsPolicy(t *testing.T) {
	got := ask(shut(newFarm(), secret), "GET", "/", "")
	text, told := got.Body.String(), got.Header().Get("Content-Security-Policy")
	for _, tag := range []string{"script", "style"} {
		content := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(text, -1)
		if len(content) != 1 || !strings.Contains(told, tag+"-src "+hashSource(content[0][1])+";") {
			t.Errorf("%d %s elements, or one that the policy refuses", len(content), tag)
		}
	}
	if found := regexp.MustCompile(`(?i)<[^>]*\s(on[a-z]+|style|src)=|(href|action)="(//|https?:)|@import|url\(`).FindString(text); found != "" {
		t.Errorf("the policy refuses %q", found)
	}
	for _, never := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "sessionStorage", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(pageJS, "http://www.w3.org/2000/svg", ""), never) {
			t.Errorf("the script has %s", never)
		}
	}
}

// A browser takes the last of two functions of one name, and says nothing.
func TestNoFunctionOfThePageIsThereTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  (?:async )?function (\w+)\(`).FindAllStringSubmatch(pageJS, -1) {
		if seen[m[1]] {
			t.Errorf("%s is there twice", m[1])
		}
		seen[m[1]] = true
	}
	if len(seen) < 10 {
		t.Errorf("found %d functions only", len(seen))
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999499: "999 kB", 999500: "1.0 MB", 1<<64 - 1: "18447 PB"} {
		if got := strings.ReplaceAll(bytesText(n), "\u202f", " "); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for digits, want := range map[string]string{"1": "1", "999": "999", "1000": "1 000", "-1234567": "-1 234 567"} {
		if got := strings.ReplaceAll(grouped(digits), "\u202f", " "); got != want {
			t.Errorf("%s: %q, want %q", digits, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	const now = 1e9
	for _, c := range []struct {
		name  string
		do    func(s *backend.Slot)
		out   string
		until int64
	}{
		{"new", func(*backend.Slot) {}, "", 0},
		{"checks fail", func(s *backend.Slot) { s.SetProbe(false) }, ProbeDown, 0},
		{"shunned", func(s *backend.Slot) { s.Shun(now + 5) }, Shunned, now + 5},
		{"a shun that is over", func(s *backend.Slot) { s.Shun(now) }, "", 0},
		{"everything", func(s *backend.Slot) { s.Shun(now + 5); s.Ban(now + 9); s.SetDrained(true); s.SetProbe(false) }, strings.Join(Reasons, " "), now + 9},
		{"a ban that ends before the shun", func(s *backend.Slot) { s.Shun(now + 9); s.Ban(now + 5) }, Blacklisted + " " + Shunned, now + 9},
	} {
		slot, v := new(backend.Slot), Server{}
		c.do(slot)
		v.Judge(slot, now)
		if got := strings.Join(v.Out, " "); got != c.out || v.Usable != (c.out == "") || !v.OutUntil.Equal(moment(c.until)) {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}
