package control

import (
	"errors"
	"fmt"

	"pen/internal/acl"
)

// setACL adds an entry to a list. The error is worded as Pen's debug log has it.
// An entry of a country is refused when there is nothing to tell countries by: it would match nobody, and a list that was to keep a country out would let it in.
func setACL(e *edit, args []string) error {
	n, err := listArgument(args)
	if err != nil {
		return err
	}
	entry, err := acl.ParseEntry(args[2:])
	if err != nil {
		return err
	}
	lists, err := e.state.Plan.Lists.Append(n, entry)
	if err != nil {
		return err
	}
	if args[3] == "country" && e.state.Plan.Countries == nil {
		return fmt.Errorf("acl: %s: no country is known without a database; start with --geoip FILE", entry)
	}
	if notice := entry.Notice(); notice != "" {
		e.in.cfg.Log.Warn(notice)
	}
	e.state.Plan.Lists, e.dirty = lists, true
	return nil
}

// unsetACL empties a list. Without a number Pen crashes (PEN.md B10).
func unsetACL(e *edit, args []string) error {
	n, err := listArgument(args)
	if err != nil {
		return err
	}
	lists, err := e.state.Plan.Lists.Clear(n)
	if err != nil {
		return err
	}
	e.state.Plan.Lists = lists
	return nil
}

func listArgument(args []string) (int, error) {
	if len(args) < 2 {
		return 0, errors.New("list number is missing")
	}
	return atoi(args[1])
}
