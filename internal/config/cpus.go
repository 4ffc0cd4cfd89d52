package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxCPU is the highest CPU number that the kernel's cpu_set_t can name.
const maxCPU = 1023

// ParseCPUs reads the value of --cpus against the CPUs that the process may run on: "auto" is all of them, a list such as "0-3,8" is those, in the order written.
// A CPU that is not available is an error that names it and the ones there are.
func ParseCPUs(text string, available []int) ([]int, error) {
	fail := func(format string, args ...any) ([]int, error) {
		return nil, usagef("--cpus %q: %s", text, fmt.Sprintf(format, args...))
	}
	if text == "auto" {
		if len(available) == 0 {
			return fail("no CPU is available")
		}
		return slices.Clone(available), nil
	}
	list, err := cpuList(text)
	if err != nil {
		return fail("%v", err)
	}
	for _, cpu := range list {
		if !slices.Contains(available, cpu) {
			return fail("CPU %d is not available, only %s", cpu, cpuText(available))
		}
	}
	return list, nil
}

// cpus accepts a value of --cpus whose form is right; whether there are such CPUs is for ParseCPUs to say, which is told what there is.
func cpus(text string) (string, error) {
	if text == "auto" {
		return text, nil
	}
	_, err := cpuList(text)
	return text, err
}

// cpuList reads "0-3,8".
func cpuList(text string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, okFrom := digits(low)
		to, okTo := digits(high)
		if !okFrom || !okTo || from > to || to > maxCPU {
			return nil, fmt.Errorf("must be auto or a list of CPUs in 0..%d, as in 0-3,8", maxCPU)
		}
		for cpu := from; cpu <= to; cpu++ {
			if slices.Contains(list, cpu) {
				return nil, fmt.Errorf("CPU %d is named twice", cpu)
			}
			list = append(list, cpu)
		}
	}
	return list, nil
}

// cpuText writes CPUs as cpuList reads them.
func cpuText(cpus []int) string {
	if len(cpus) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(cpus))
	var parts []string
	for i := 0; i < len(sorted); {
		end := i
		for end+1 < len(sorted) && sorted[end+1] == sorted[end]+1 {
			end++
		}
		part := strconv.Itoa(sorted[i])
		if end > i {
			part += "-" + strconv.Itoa(sorted[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ",")
}
