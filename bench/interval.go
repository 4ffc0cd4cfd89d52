package main

import "math"

// confidence is the coverage that intervals aim at.
const confidence = 0.95

// medianRank chooses the interval for a median from n values: from the k-th smallest to the k-th largest, the narrowest that covers the median of what the values were drawn from with
// at least confidence. Where even the whole range, k = 1, falls short, which is so with fewer than 6 values, it is the range all the same. coverage is what the interval really has, 0
// of one value. Nothing is assumed about how the values are distributed: the number that fall below the median is binomial with p = 1/2.
//
// Source: W. R. Thompson, On confidence ranges for the median, Annals of Mathematical Statistics 7 (1936), 122–128; H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., 7.1.
func medianRank(n int) (k int, coverage float64) {
	if n < 1 {
		return 0, 0
	}
	// term is the chance that exactly k values fall below the median, tail that at most k do.
	term := math.Ldexp(1, -n)
	tail := term
	k, coverage = 1, 1-2*tail
	for {
		term *= float64(n-k+1) / float64(k)
		tail += term
		if 1-2*tail < confidence {
			return k, coverage
		}
		k, coverage = k+1, 1-2*tail
	}
}

// exactPairs is how many values a side may have for pairRank to count exactly: beyond it the normal approximation is good to the third digit.
const exactPairs = 50

// pairRank is medianRank for two samples that are not paired: of the m·n ratios of a value of one to a value of the other, the k-th smallest and the k-th largest enclose the ratio
// between the two populations. The ratios below the true one are as many as Mann and Whitney's U. The populations are taken to differ by a factor, and in nothing else.
//
// Source: J. L. Hodges and E. L. Lehmann, Estimates of location based on rank tests, Annals of Mathematical Statistics 34 (1963), 598–611; M. Hollander and D. A. Wolfe,
// Nonparametric Statistical Methods, 2nd ed., 4.3.
func pairRank(m, n int) (k int, coverage float64) {
	if m < 1 || n < 1 {
		return 0, 0
	}
	if m > exactPairs || n > exactPairs {
		const z = 1.959964 // of the normal distribution, for confidence
		mn := float64(m) * float64(n)
		return max(1, int(mn/2-z*math.Sqrt(mn*float64(m+n+1)/12))), confidence
	}
	chance := mannWhitney(m, n)
	tail := chance[0]
	k, coverage = 1, 1-2*tail
	for {
		tail += chance[k]
		if 1-2*tail < confidence {
			return k, coverage
		}
		k, coverage = k+1, 1-2*tail
	}
}

// mannWhitney is the distribution of U for samples of m and n that are drawn alike: the chance of each u from 0 to m·n.
//
// Source: H. B. Mann and D. R. Whitney, On a test of whether one of two random variables is stochastically larger than the other, Annals of Mathematical Statistics 18 (1947), 50–60:
// the largest value of all is one of the m, and then above all n, or one of the n.
func mannWhitney(m, n int) []float64 {
	// row[j][u] is the chance of u with i values on one side and j on the other.
	row := make([][]float64, n+1)
	for j := range row {
		row[j] = []float64{1}
	}
	for i := 1; i <= m; i++ {
		next := make([][]float64, n+1)
		next[0] = []float64{1}
		for j := 1; j <= n; j++ {
			next[j] = make([]float64, i*j+1)
			largest := float64(i) / float64(i+j)
			for u, p := range row[j] {
				next[j][u+j] += largest * p
			}
			for u, p := range next[j-1] {
				next[j][u] += (1 - largest) * p
			}
		}
		row = next
	}
	return row[n]
}
