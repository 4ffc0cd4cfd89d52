package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

// parsePage reads a page as XML, which it keeps to, and returns its text and how often each element is in it.
func parsePage(t *testing.T, page []byte) (text string, elements map[string]int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(page)))
	elements = map[string]int{}
	var b strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), elements
		}
		if err != nil {
			at := int(d.InputOffset())
			t.Fatalf("%v, after\n%s", err, page[max(0, at-300):at])
		}
		switch token := token.(type) {
		case xml.CharData:
			b.Write(token)
		case xml.StartElement:
			elements[token.Name.Local]++
			for _, a := range token.Attr {
				for _, bad := range []string{"src", "href", "style", "onload", "onclick"} {
					if a.Name.Local == bad {
						t.Errorf("<%s %s=%q>", token.Name.Local, bad, a.Value)
					}
				}
			}
		}
	}
}

var look = flag.String("page", "", "write the page of made-up figures to a file, to look at it")

func TestHTML(t *testing.T) {
	r := fullReport(t)
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if *look != "" {
		if err := os.WriteFile(*look, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, elements := parsePage(t, page)
	for _, bad := range []string{"http:", "https:", "//", "url(", "@import", "<script", "ZgotmplZ", "NaN", "Inf", "%!"} {
		if i := strings.Index(string(page), bad); i >= 0 {
			t.Errorf("%q in the page: %s", bad, page[max(0, i-100):min(len(page), i+100)])
		}
	}
	// Every figure of the tables on a terminal is on the page too.
	for _, s := range r.sections() {
		for _, p := range s.Parts {
			if !strings.Contains(text, p.Title) {
				t.Errorf("no title %q", p.Title)
			}
			for _, row := range p.Sheet.Rows {
				for _, cell := range row {
					if !strings.Contains(text, cell) {
						t.Errorf("%s: no %q", p.Title, cell)
					}
				}
			}
			for _, v := range p.Verdicts {
				if !strings.Contains(text, v) {
					t.Errorf("no verdict %q", v)
				}
			}
		}
	}
	for _, f := range r.facts() {
		if !strings.Contains(text, f.Value) {
			t.Errorf("no %s", f.Name)
		}
	}
	// Two plots of bars for each of 3+4 rates, 1 for idle memory, 2 for the storm; a curve for each of 3 latencies, 1 over them, 2 over the sizes; a swatch for each line of these.
	if got, want := elements["figure"], 2*7+1+2+3+1+2; got != want {
		t.Errorf("%d plots, want %d", got, want)
	}
	if elements["svg"] <= elements["figure"] {
		t.Errorf("%d drawings for %d plots and their keys", elements["svg"], elements["figure"])
	}
}

// What comes from outside, as names and errors do, must not become markup.
func TestHTMLEscapes(t *testing.T) {
	const evil = `<script>alert("1 & 2")</script>'`
	r := testReport(t)
	r.machine.CPU = evil
	r.opts.args = []string{"--only", evil}
	for i := range r.plan.Peers {
		r.plan.Peers[i].Label += evil
		r.plan.Peers[i].Version = evil
	}
	r.plan.Workloads[0].Name, r.plan.Workloads[0].Title, r.plan.Workloads[0].Family = evil, evil, evil
	r.cell(0, 3).Rounds[1].Error = evil
	r.conditions.Congestion = evil
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	text, elements := parsePage(t, page)
	if elements["script"] != 0 || !strings.Contains(text, evil) {
		t.Errorf("%d scripts; %v", elements["script"], strings.Contains(text, evil))
	}
}

// A run that was broken off at once still makes a page.
func TestHTMLOfNothing(t *testing.T) {
	r := testReport(t)
	for _, row := range r.cells {
		for _, c := range row {
			c.Rounds = nil
		}
	}
	r.Interrupted = true
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := parsePage(t, page); !strings.Contains(text, "interrupted") {
		t.Error("it does not say that it was interrupted")
	}
}
