package main

import (
	"math"
	"testing"
)

// The coverages are counted by hand: 1 − 2·(C(n,0) + … + C(n,k−1)) / 2ⁿ.
func TestMedianRank(t *testing.T) {
	for _, c := range []struct {
		n, k     int
		coverage float64
	}{
		{0, 0, 0},
		{1, 1, 0},
		{2, 1, 1. / 2},
		{3, 1, 3. / 4},
		{4, 1, 7. / 8},
		{5, 1, 15. / 16},
		{6, 1, 31. / 32},
		{8, 1, 127. / 128},                   // k = 2 would be 1 − 2·9/256, 93 %
		{9, 2, 1 - 2*10./512},                // 96.1 %
		{10, 2, 1 - 2*11./1024},              // 97.9 %
		{12, 3, 1 - 2*(1+12+66)/4096.},       // 96.1 %
		{15, 4, 1 - 2*(1+15+105+455)/32768.}, // 96.5 %
		{20, 6, 1 - 2*(1+20+190+1140+4845+15504)/1048576.}, // 95.9 %
	} {
		k, coverage := medianRank(c.n)
		if k != c.k || math.Abs(coverage-c.coverage) > 1e-12 {
			t.Errorf("of %d values: k %d with coverage %.4f, want %d with %.4f", c.n, k, coverage, c.k, c.coverage)
		}
	}
}

// Of many values the interval is the one that the normal distribution gives: k = n/2 − 0.98·√n.
func TestMedianRankOfMany(t *testing.T) {
	k, coverage := medianRank(1000)
	if k < 468 || k > 470 || coverage < confidence || coverage > 0.96 {
		t.Errorf("k %d with coverage %.4f", k, coverage)
	}
}

// The chances are counted by hand, as numbers of arrangements out of C(m+n, m).
func TestPairRank(t *testing.T) {
	for _, c := range []struct {
		m, n, k  int
		coverage float64
	}{
		{0, 3, 0, 0},
		{1, 1, 1, 0},
		{2, 2, 1, 1 - 2*1./6},
		{3, 3, 1, 1 - 2*1./20},
		{1, 5, 1, 1 - 2*1./6},
		{4, 4, 1, 1 - 2*1./70},  // k = 2 would be 1 − 2·2/70, 94.3 %
		{5, 5, 3, 1 - 2*4./252}, // U ≤ 2 in 1+1+2 of 252 arrangements
		{3, 5, 1, 1 - 2*1./56},
	} {
		k, coverage := pairRank(c.m, c.n)
		if k != c.k || math.Abs(coverage-c.coverage) > 1e-12 {
			t.Errorf("of %d and %d values: k %d with coverage %.4f, want %d with %.4f", c.m, c.n, k, coverage, c.k, c.coverage)
		}
	}
}

func TestMannWhitney(t *testing.T) {
	// Of the 10 arrangements of 2 and 3 values: 1 1 2 2 2 1 1 for u = 0 … 6.
	want := []float64{1, 1, 2, 2, 2, 1, 1}
	got := mannWhitney(2, 3)
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for u, n := range want {
		if math.Abs(got[u]-n/10) > 1e-12 {
			t.Errorf("u = %d: %.3f, want %.3f", u, got[u], n/10)
		}
	}
}

// Where counting ends, the approximation takes over without a jump.
func TestPairRankApproximation(t *testing.T) {
	exact, _ := pairRank(exactPairs, exactPairs)
	near, _ := pairRank(exactPairs, exactPairs+1)
	if near < exact || near > exact+exactPairs {
		t.Errorf("k %d of %d×%d, but %d of one more", exact, exactPairs, exactPairs, near)
	}
}
