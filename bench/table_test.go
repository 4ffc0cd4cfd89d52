package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for _, c := range []struct{ got, want string }{
		{connection.rate(12345.6), "12 346/s"},
		{byteUnit.rate(1.5e9), "1.50 GB/s"},
		{request.cpu(12.5e-6), "12.50 µs"},
		{byteUnit.cpu(0.25e-9), "0.250 s"},
		{request.times(4.017), "4.02"},
		{request.times(42), "42.0"},
		{byteUnit.times(3.25e-5), "32 500"},
		{byteUnit.times(3.25e-7), "325"},
		{duration(0), "0 µs"},
		{duration(42.34e-6), "42.3 µs"},
		{duration(999.4e-6), "999 µs"},
		{duration(999.7e-6), "1.00 ms"},
		{duration(0.1234), "123 ms"},
		{duration(12), "12.0 s"},
		{byteCount(412.3), "412 B"},
		{byteCount(12345), "12.3 KB"},
		{byteCount(2.5e6), "2.50 MB"},
		{brief(0), "0"},
		{brief(0.30000000000000004), "0.3"},
		{brief(1000), "1 k"},
		{brief(2500), "2.5 k"},
		{brief(250000), "250 k"},
		{brief(1e7), "10 M"},
		{ratioText(spread{}), "–"},
		{ratioText(spread{Median: 1.5, Low: 1, High: 2, Min: 0, Max: 9, N: 3}), "1.50 (1.00–2.00)"},
		{ratioText(spread{Median: 1.5, Low: 1.5, High: 1.5, N: 1}), "1.50"},
		{ratioText(spread{Median: 123.4, Low: 99.4, High: 130, N: 2}), "123 (99.4–130)"},
		{shorten("short", 5), "short"},
		{shorten("a little long", 10), "a little…"},
		{intervalText(spread{Low: 1, High: 1, N: 1}, duration), "–"},
		{intervalText(spread{Low: 1e-4, High: 2e-4, N: 2}, duration), "100 – 200 µs"},
		{intervalText(spread{Low: 1e-4, High: 2e-3, N: 2}, duration), "100 µs – 2.00 ms"},
		{intervalText(spread{Low: 1000, High: 2000, N: 2}, request.rate), "1 000 – 2 000/s"},
		{shortenMiddle("pen --splice never", 18), "pen --splice never"},
		{shortenMiddle("pen --splice never", 10), "pen -…ever"},
		{percentage(0.9375), "93.8 %"},
		{percentage(0.75), "75 %"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestSheet(t *testing.T) {
	s := sheet{
		Columns: []column{{Head: "peer", Left: true, Peer: true}, {Head: "rate"}, {Head: "empty"}, {Head: "apart", Wide: true}},
		Rows:    [][]string{{"pen", "1 000/s", "", "x"}, {"haproxy", "9/s", "–", "y"}},
	}
	want := `  peer        rate
  ────────────────
  pen      1 000/s
  haproxy      9/s
`
	if got := s.withoutEmpty().Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSheetFits(t *testing.T) {
	wide := strings.Repeat("9", 50)
	s := sheet{
		Columns: []column{{Head: "peer", Left: true, Peer: true}, {Head: "kept"}, {Head: "spared", Spare: true}, {Head: "also kept"}},
		Rows:    [][]string{{strings.Repeat("p", 40), wide, wide, wide}},
	}
	f := s.fit()
	if len(f.Columns) != 3 || f.width() != tableWidth || f.Rows[0][0] != strings.Repeat("p", 7)+"…"+strings.Repeat("p", 6) {
		t.Errorf("%d columns wide: %q", f.width(), f.Rows)
	}
	if len(s.Rows[0]) != 4 || utf8.RuneCountInString(s.Rows[0][0]) != 40 {
		t.Errorf("the sheet itself was changed: %q", s.Rows)
	}
}

func TestWrapped(t *testing.T) {
	var b strings.Builder
	writeWrapped(&b, "  ! ", strings.Repeat("word ", 30))
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "  ! word") || !strings.HasPrefix(lines[1], "    word") || len(lines[0]) > tableWidth {
		t.Errorf("%q", lines)
	}
}
