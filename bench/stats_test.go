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
		{[]float64{3}, spread{3, 3, 3, 1}},
		{[]float64{4, 1}, spread{2.5, 1, 4, 2}},
		{[]float64{9, 1, 2}, spread{2, 1, 9, 3}},
		{[]float64{5, 1, 100, 3}, spread{4, 1, 100, 4}},
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
