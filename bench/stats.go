package main

import "slices"

// spread is a median, the interval for it, and the range of the values.
type spread struct {
	Median   float64 `json:"median"`
	Low      float64 `json:"low"`      // the interval: see medianRank
	High     float64 `json:"high"`     //
	Coverage float64 `json:"coverage"` // of the interval: the chance that it holds the true median; 0: of one value there is none
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	N        int     `json:"n"` // values; 0: the rest means nothing
}

// spreadOf describes values. Of an even number the median is the mean of the two in the middle.
func spreadOf(values []float64) spread {
	n := len(values)
	k, coverage := medianRank(n)
	return ranked(values, n, k, coverage)
}

// ranked describes values that come of n measurements, with the k-th smallest and k-th largest as the interval.
func ranked(values []float64, n, k int, coverage float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	last := len(v) - 1
	return spread{Median: (v[last/2] + v[len(v)/2]) / 2, Low: v[k-1], High: v[last-k+1], Coverage: coverage, Min: v[0], Max: v[last], N: n}
}

// pairedRatios divides a by b round by round, leaving out the rounds that one of them lacks. Ratios of pairs, measured close together, cancel what changes between rounds; the
// ratio of two medians would not.
func pairedRatios(a, b map[int]float64) []float64 {
	var rounds []int
	for r := range a {
		if b[r] != 0 {
			rounds = append(rounds, r)
		}
	}
	slices.Sort(rounds)
	ratios := make([]float64, len(rounds))
	for i, r := range rounds {
		ratios[i] = a[r] / b[r]
	}
	return ratios
}

// unpairedRatio is a ÷ b where no value of a belongs to one of b: the median of the ratios of all to all, with its interval by pairRank.
func unpairedRatio(a, b []float64) spread {
	var ratios []float64
	b = slices.DeleteFunc(slices.Clone(b), func(v float64) bool { return v == 0 })
	for _, x := range a {
		for _, y := range b {
			ratios = append(ratios, x/y)
		}
	}
	k, coverage := pairRank(len(a), len(b))
	return ranked(ratios, min(len(a), len(b)), k, coverage)
}
