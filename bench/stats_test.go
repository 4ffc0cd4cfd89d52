package main

import (
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{Median: 3, Low: 3, High: 3, Coverage: 0, Min: 3, Max: 3, N: 1}},
		{[]float64{4, 1}, spread{Median: 2.5, Low: 1, High: 4, Coverage: 0.5, Min: 1, Max: 4, N: 2}},
		{[]float64{9, 1, 2}, spread{Median: 2, Low: 1, High: 9, Coverage: 0.75, Min: 1, Max: 9, N: 3}},
		{[]float64{5, 1, 100, 3}, spread{Median: 4, Low: 1, High: 100, Coverage: 0.875, Min: 1, Max: 100, N: 4}},
		// Of 9 values the interval is from the second to the second but one.
		{[]float64{9, 8, 7, 6, 5, 4, 3, 2, 1}, spread{Median: 5, Low: 2, High: 8, Coverage: 1 - 2*10./512, Min: 1, Max: 9, N: 9}},
	} {
		if got := spreadOf(c.in); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestSpreadLeavesValuesAlone(t *testing.T) {
	in := []float64{3, 1, 2}
	spreadOf(in)
	if !slices.Equal(in, []float64{3, 1, 2}) {
		t.Errorf("spreadOf sorted its argument: %v", in)
	}
}

func TestPairedRatios(t *testing.T) {
	for name, c := range map[string]struct {
		a, b map[int]float64
		want []float64
	}{
		"pairs of the same round": {map[int]float64{0: 10, 1: 30}, map[int]float64{1: 10, 0: 5}, []float64{2, 3}},
		"rounds only one has":     {map[int]float64{0: 10, 2: 4}, map[int]float64{1: 10, 2: 8}, []float64{0.5}},
		"nothing to divide by":    {map[int]float64{0: 10}, map[int]float64{0: 0}, []float64{}},
		"none":                    {nil, nil, []float64{}},
	} {
		if got := pairedRatios(c.a, c.b); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A machine that becomes twice as slow half way through changes no ratio of pairs.
func TestPairedRatiosCancelDrift(t *testing.T) {
	a, b := map[int]float64{}, map[int]float64{}
	for r := range 6 {
		speed := 1000.0
		if r >= 3 {
			speed = 500
		}
		a[r], b[r] = 1.2*speed, speed
	}
	if s := spreadOf(pairedRatios(a, b)); s.Min != 1.2 || s.Max != 1.2 {
		t.Errorf("ratios %+v, want 1.2 throughout", s)
	}
}

func TestUnpairedRatio(t *testing.T) {
	for name, c := range map[string]struct {
		a, b []float64
		want spread
	}{
		"none":                 {nil, []float64{1}, spread{}},
		"one each":             {[]float64{6}, []float64{3}, spread{Median: 2, Low: 2, High: 2, Min: 2, Max: 2, N: 1}},
		"nothing to divide by": {[]float64{6}, []float64{0}, spread{}},
		// The ratios are 2, 4, 4 and 8.
		"two each": {[]float64{8, 16}, []float64{4, 2}, spread{Median: 4, Low: 2, High: 8, Coverage: 1 - 2*1./6, Min: 2, Max: 8, N: 2}},
	} {
		if got := unpairedRatio(c.a, c.b); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	// Of 5 and 5 values, 25 ratios, the interval is from the third to the third but two.
	s := unpairedRatio([]float64{1, 1, 1, 1, 100}, []float64{1, 1, 1, 1, 1})
	if s.Median != 1 || s.High != 100 || s.Low != 1 {
		t.Errorf("%+v", s)
	}
}
