package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The page is sent as one document; it stands in three files to be read.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	//go:embed openapi.yaml
	description []byte
)

// policy is what a browser may do for the page: run its own script and style, and ask here. Nothing leaves for anywhere else.
var policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	hashSource(pageJS), hashSource(pageCSS))

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// view is what the page is made of.
type view struct {
	Figures
	Settings []Group
	Closes   []Ending
	CanAct   bool
	Query    string          // what was searched for
	Searched bool            // something was, if only everything
	Found    listing[Client] // by that
	Trouble  string          // with the search
	Steps    []Step          // where the client that was searched for would go
	WhatIf   whatIf
	Causes   []string // of endings
	Blank    Server   // for the script to fill in
	CSS      template.CSS
	JS       template.JS
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"count":  func(n any) string { return grouped(fmt.Sprint(n)) },
	"bytes":  bytesText,
	"when":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"words":  func(name string) string { return strings.ReplaceAll(name, "_", " ") },
	"state":  state,
	"tone":   tone,
	"lasted": func(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) + "\u202fs" },
	"cpus":   cpusText,
	"home":   homeText,
	"took":   timeText,
	"ends":   endingsText,
	"share":  shareText,
	"lastly": lastly,
	"place":  func(p Place) string { return cmp.Or(p.Name, "nowhere") },
	"pair":   func(v Server, act bool) map[string]any { return map[string]any{"V": v, "Act": act} },
}).Parse(pageHTML))

// getPage writes the page as it is now. A browser that runs the script keeps it up to date; any other shows what is here.
func (s *Window) getPage(w http.ResponseWriter, r *http.Request) {
	v := view{
		Figures: s.figures(), Settings: s.world.Settings(), Closes: s.closes(), CanAct: s.token != nil, Query: r.FormValue("address"), Searched: r.URL.Query().Has("address"),
		CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
	}
	v.WhatIf = s.whatIf(r)
	v.Causes = slices.Sorted(maps.Keys(v.Totals.Ended))
	if v.Searched {
		var err error
		if v.Found, err = s.clients(r, v.Query); err != nil {
			v.Trouble = err.Error()
		}
		v.Steps = s.explained(r, v.Query)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w) // who asked may have gone
}

// explained is what there is to say of one client, nothing if the query is not an address.
func (s *Window) explained(r *http.Request, query string) []Step {
	addr, err := netip.ParseAddr(query)
	if err != nil {
		return nil
	}
	done, ok := s.alone(r)
	if !ok {
		return nil
	}
	defer done()
	steps, err := s.world.Explain(addr)
	if err != nil {
		return []Step{{"answer", err.Error()}}
	}
	return steps
}

func getDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // who asked may have gone
}

// state is a server's health in words.
func state(v Server) string {
	if v.Usable {
		return "up"
	}
	said := make([]string, len(v.Out))
	for i, why := range v.Out {
		said[i] = cmp.Or(reasonWords[why], why)
	}
	return strings.Join(said, ", ")
}

// reasonWords are those reasons that the page has more words for.
var reasonWords = map[string]string{ProbeDown: "checks fail", Shunned: "connect failed"}

// tone is how a state looks: good, told by the operator, or bad.
func tone(v Server) string {
	switch {
	case v.Usable:
		return "good"
	case len(v.Out) > 0 && (v.Out[0] == Blacklisted || v.Out[0] == Drained):
		return "told"
	}
	return "bad"
}

// grouped sets thousands apart.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

// bytesText writes bytes in the largest unit, of a thousand, that leaves at least 1.
func bytesText(n uint64) string {
	v, unit := float64(n), 0
	for v >= 999.5 && unit < 5 {
		v, unit = v/1000, unit+1
	}
	digits := 0
	if unit > 0 && v < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + "\u202f" + []string{"B", "kB", "MB", "GB", "TB", "PB"}[unit]
}

func cpusText(l Loops) string {
	if len(l.CPUs) == 0 {
		return "not pinned"
	}
	return strings.Trim(fmt.Sprint(l.CPUs), "[]")
}

// homeText names the server that a number stands for.
func homeText(servers []Server, number int) string {
	for _, v := range servers {
		if v.Number == number {
			return v.Name
		}
	}
	return "none"
}
