package main

import "slices"

// spread is a median and the range around it.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"` // values; 0: the rest means nothing
}

// spreadOf describes values. Of an even number the median is the mean of the two in the middle.
func spreadOf(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1], n}
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
