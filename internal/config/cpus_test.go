package config

import (
	"slices"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	tests := []struct {
		text      string
		available []int
		want      []int
		err       string
	}{
		{"auto", []int{0, 2, 3}, []int{0, 2, 3}, ""},
		{"0", []int{0, 1}, []int{0}, ""},
		{"0-3,8", []int{0, 1, 2, 3, 4, 8}, []int{0, 1, 2, 3, 8}, ""},
		{"8,0-1", []int{0, 1, 8}, []int{8, 0, 1}, ""}, // the order written
		{"1-1", []int{1}, []int{1}, ""},
		{"1023", []int{1023}, []int{1023}, ""},
		{"auto", nil, nil, `--cpus "auto": no CPU is available`},
		{"0-2", []int{3, 0, 1}, nil, `--cpus "0-2": CPU 2 is not available, only 0-1,3`},
		{"7", []int{5, 0, 1, 2}, nil, `--cpus "7": CPU 7 is not available, only 0-2,5`},
		{"7", nil, nil, `--cpus "7": CPU 7 is not available, only none`},
		{"", []int{0}, nil, `--cpus "": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"1024", []int{0}, nil, `--cpus "1024": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"0-4294967295", []int{0}, nil, `--cpus "0-4294967295": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"3-1", []int{1, 2, 3}, nil, `--cpus "3-1": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"-1", []int{1}, nil, `--cpus "-1": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"0,,1", []int{0, 1}, nil, `--cpus "0,,1": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"0, 1", []int{0, 1}, nil, `--cpus "0, 1": must be auto or a list of CPUs in 0..1023, as in 0-3,8`},
		{"0,0", []int{0, 1}, nil, `--cpus "0,0": CPU 0 is named twice`},
	}
	for _, test := range tests {
		got, err := ParseCPUs(test.text, test.available)
		if test.err != "" {
			if got != nil || ExitCode(err) != 64 || err.Error() != test.err {
				t.Errorf("%q of %v: got %v, %v; want %s", test.text, test.available, got, err, test.err)
			}
		} else if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q of %v: got %v, %v; want %v", test.text, test.available, got, err, test.want)
		}
	}
}

func TestParseCPUsKeepsItsOwnList(t *testing.T) {
	available := []int{0, 1}
	got, err := ParseCPUs("auto", available)
	if err != nil {
		t.Fatal(err)
	}
	available[0] = 9
	if got[0] != 0 {
		t.Error("the result shares memory with the argument")
	}
}
