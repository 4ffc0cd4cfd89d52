package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// nothing stands where there is no figure.
const nothing = "–"

// big is the amount of a unit that CPU time is told for.
func (u unit) big() string {
	if u == byteUnit {
		return "GB"
	}
	return string(u)
}

// short is big for the head of a column.
func (u unit) short() string {
	switch u {
	case byteUnit:
		return "GB"
	case connection:
		return "conn"
	case request:
		return "req"
	}
	return string(u)
}

// amount is how many units big stands for.
func (u unit) amount() float64 {
	if u == byteUnit {
		return 1e9
	}
	return 1
}

// rate writes units per second.
func (u unit) rate(perSecond float64) string {
	if u == byteUnit {
		return fmt.Sprintf("%.2f GB/s", perSecond/1e9)
	}
	return grouped(int64(perSecond+0.5)) + "/s"
}

// cpu writes CPU seconds per unit.
func (u unit) cpu(seconds float64) string {
	if u == byteUnit {
		return fmt.Sprintf("%.3f s", seconds*1e9)
	}
	return fmt.Sprintf("%.2f µs", seconds*1e6)
}

// times writes how often something happens per unit.
func (u unit) times(perUnit float64) string {
	n := perUnit * u.amount()
	switch {
	case n >= 1000:
		return grouped(int64(n + 0.5))
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}

// whole writes a number of things, which is not negative.
func whole(n float64) string { return grouped(int64(n + 0.5)) }

// grouped writes n, which is not negative, with spaces between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

// significant writes v with three digits that matter.
func significant(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 99.95 || a == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// duration writes seconds.
func duration(seconds float64) string {
	switch {
	case seconds < 999.5e-6:
		return significant(seconds*1e6) + " µs"
	case seconds < 999.5e-3:
		return significant(seconds*1e3) + " ms"
	}
	return significant(seconds) + " s"
}

// byteCount writes bytes.
func byteCount(n float64) string {
	switch {
	case math.Abs(n) < 9999.5:
		return fmt.Sprintf("%.0f B", n)
	case math.Abs(n) < 999.5e3:
		return significant(n/1e3) + " KB"
	}
	return significant(n/1e6) + " MB"
}

// mebibytes writes bytes.
func mebibytes(n float64) string { return fmt.Sprintf("%.1f MiB", n/(1<<20)) }

// brief writes a round number with as few characters as it has digits that matter: 500, 20 k, 2.5 M.
func brief(v float64) string {
	a := math.Abs(v)
	format := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	switch {
	case a >= 1e9:
		return format(v/1e9) + " G"
	case a >= 1e6:
		return format(v/1e6) + " M"
	case a >= 1e3:
		return format(v/1e3) + " k"
	}
	return format(v)
}

func ratioText(s spread) string {
	switch s.N {
	case 0:
		return nothing
	case 1:
		return ratioNumber(s.Median)
	default:
		return fmt.Sprintf("%s (%s–%s)", ratioNumber(s.Median), ratioNumber(s.Low), ratioNumber(s.High))
	}
}

func ratioNumber(v float64) string {
	switch {
	case v >= 99.5:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// medianText writes the median of a spread, if it has one.
func medianText(s spread, text func(float64) string) string {
	if s.N == 0 {
		return nothing
	}
	return text(s.Median)
}

// intervalText writes the interval of a spread, if it has one.
func intervalText(s spread, text func(float64) string) string {
	if s.N < 2 {
		return nothing
	}
	low, high := text(s.Low), text(s.High)
	if unit := unitOf(low); unit == unitOf(high) {
		low = strings.TrimSuffix(low, unit)
	}
	return low + " – " + high
}

// unitOf is what follows the last digit of a figure.
func unitOf(figure string) string { return figure[strings.LastIndexAny(figure, "0123456789")+1:] }

// minutes writes a length of time, with its seconds.
func minutes(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// shorten cuts a word to so many characters, the last of which then tells that there was more.
func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return strings.TrimRight(string(r[:most-1]), " ") + "…"
}

// shortenMiddle is shorten for names that differ at their ends as much as at their beginnings.
func shortenMiddle(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	tail := (most - 1) / 2
	return string(r[:most-1-tail]) + "…" + string(r[len(r)-tail:])
}

func notEmpty(words ...string) []string {
	var kept []string
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}
