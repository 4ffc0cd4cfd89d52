package control

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// atoi reads a number as Pen does, with C's atoi: a sign, digits, and what follows is not looked at. Beyond 32 bits it is the nearest that fits, where Pen's is what is left of it.
// With the error, for all but a plain number that fits, comes what Pen would take it for.
func atoi(text string) (int, error) {
	digits := text
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	end := len(digits) - len(strings.TrimLeft(digits, "0123456789"))
	sign := text[:len(text)-len(digits)]
	if end == 0 {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	n, err := strconv.ParseInt(sign+digits[:end], 10, 32) // saturates
	if err != nil || end != len(digits) {
		return int(n), fmt.Errorf("%q is not a whole number of 32 bits", text)
	}
	return int(n), nil
}

// seconds reads a time: a number as atoi reads it, or, which Pen does not have, one with decimals. A negative one is an error and 0.
func seconds(text string) (time.Duration, error) {
	if whole, decimals, found := strings.Cut(text, "."); found && whole != "" && decimals != "" && strings.Trim(whole+decimals, "0123456789") == "" {
		d, err := time.ParseDuration(text + "s")
		if err != nil || d > math.MaxInt32*time.Second {
			return 0, fmt.Errorf("%q is too long a time", text)
		}
		return d, nil
	}
	n, err := atoi(text)
	if n < 0 && err == nil {
		err = fmt.Errorf("%q is negative", text)
	}
	return time.Duration(max(n, 0)) * time.Second, err
}

// formatSeconds is the shortest text that seconds reads back.
func formatSeconds(d time.Duration) string {
	text := strconv.FormatInt(int64(d/time.Second), 10)
	if rest := d % time.Second; rest != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", rest), "0")
	}
	return text
}

// within returns an error unless n is one of low to high.
func within(n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("%d is not one of %d to %d", n, low, high)
	}
	return nil
}
