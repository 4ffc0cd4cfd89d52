package control

import (
	"fmt"
	"slices"
	"strconv"

	"pen/internal/balance"
)

// The words for what one client may have. What is wrong changes nothing: these are not Pen's, and need not do what Pen would.

func setClientConns(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	n, err := atoi(args[1])
	if err != nil {
		return err
	}
	to := e.state.Plan.Limits
	if to.Conns = n; to.Validate() != nil {
		return to.Validate()
	}
	e.state.Plan.Limits, e.dirty = to, true
	return nil
}

func setClientRate(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	e.dirty = true
	return e.state.Plan.Limits.Rate.Set(args[1])
}

func setClientLimit(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	i := slices.Index(balance.Answers[:], args[1])
	if i < 0 {
		return fmt.Errorf("%q is not reject, tarpit or abuse", args[1])
	}
	e.state.Plan.OverLimit, e.dirty = balance.Answer(i), true
	return nil
}

func setClientExempt(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	n, err := listNumber(args[1])
	if err != nil {
		return err
	}
	e.state.Plan.Exempting, e.state.Plan.ExemptACL, e.dirty = true, n, true
	return nil
}

// exempt is the list of those without limits as a word, "" for none.
func exempt(s *State) string {
	if !s.Plan.Exempting {
		return ""
	}
	return strconv.Itoa(s.Plan.ExemptACL)
}
