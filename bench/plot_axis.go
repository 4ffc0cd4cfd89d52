package main

import (
	"math"
	"strconv"
	"strings"
)

// axis is one direction of a plot.
type axis struct {
	Title string
	Log   bool
	Min   float64 // above 0 if Log
	Max   float64
	Ticks []float64
	Label func(float64) string
}

// at is where v lies between the ends of the axis, 0..1; what lies outside is drawn at the end.
func (a axis) at(v float64) float64 {
	lo, hi := a.Min, a.Max
	if a.Log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, lo))
	}
	if hi == lo {
		return 0.5
	}
	return min(1, max(0, (v-lo)/(hi-lo)))
}

// linear is an axis from 0 to a round number no less than most, with round numbers on it, about as many as wanted.
func linear(title string, most float64, wanted int) axis {
	if most <= 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		most = 1
	}
	step := roundUp(most / float64(wanted))
	a := axis{Title: title, Label: brief}
	for i := 0; ; i++ {
		v := float64(i) * step
		a.Ticks = append(a.Ticks, v)
		if v >= most*(1-1e-9) {
			a.Max = v
			return a
		}
	}
}

// roundUp is the least of 1, 2 and 5 times a power of ten that is no less than v, which is above 0.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= v*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// logarithmic is an axis that holds least and most, which are above 0, with 1, 2 and 5 times the powers of ten on it, or the powers only when those are many.
func logarithmic(title string, least, most float64, label func(float64) string) axis {
	if least <= 0 || most < least || math.IsInf(most, 0) || math.IsNaN(most) {
		least, most = 1, 10
	}
	steps := []float64{1, 2, 5}
	const manyDecades = 2.5
	if math.Log10(most/least) > manyDecades {
		steps = steps[:1]
	}
	a := axis{Title: title, Log: true, Label: label}
	for power := math.Pow(10, math.Floor(math.Log10(least))); ; power *= 10 {
		for _, f := range steps {
			v := f * power
			if v <= least*(1+1e-9) {
				// The last one below is where the axis begins.
				a.Ticks = a.Ticks[:0]
			}
			a.Ticks = append(a.Ticks, v)
			if v >= most*(1-1e-9) && len(a.Ticks) > 1 {
				a.Min, a.Max = a.Ticks[0], v
				return a
			}
		}
	}
}

// tickDuration writes a round number of seconds.
func tickDuration(seconds float64) string {
	switch {
	case seconds < 0.9995e-3:
		return brief(seconds*1e6) + " µs"
	case seconds < 0.9995:
		return brief(seconds*1e3) + " ms"
	}
	return brief(seconds) + " s"
}

// quantileAxis runs from the median to 1−10^−most, each nine as wide as the others. Its values are nines: −log10(1−q).
func quantileAxis(most float64) axis {
	a := axis{Title: "share of requests answered within", Min: nines(0.5), Max: most, Label: func(n float64) string { return quantileText(1 - math.Pow(10, -n)) }, Ticks: []float64{nines(0.5)}}
	for n := 1.0; n <= most+1e-9; n++ {
		a.Ticks = append(a.Ticks, n)
	}
	return a
}

// nines is how many nines a quantile has: 1 of 0.9, 2 of 0.99.
func nines(quantile float64) float64 { return -math.Log10(1 - quantile) }

// quantileText writes a quantile as a percentage: 50 %, 99.9 %.
func quantileText(q float64) string {
	s := strconv.FormatFloat(100*q, 'f', 6, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + " %"
}
