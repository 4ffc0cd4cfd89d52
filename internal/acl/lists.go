package acl

import (
	"fmt"
	"net/netip"
	"slices"
)

// Count is the number of lists; they are numbered from 0.
const Count = 10

// Number is the list that a number names where Pen takes any number: outside 0 to 9 it means list 0 (PEN.md 1.2, client_acl and control_acl).
func Number(n int) int {
	if n < 0 || n >= Count {
		return 0
	}
	return n
}

// Countries says which country an address belongs to: two upper-case letters of ISO 3166, or "" if it is not known.
// It is called on a loop, so it may not block, and by several at once.
type Countries interface {
	Country(addr netip.Addr) string
}

// Verdict is what a list says about a client.
type Verdict struct {
	Permit bool
	Line   int // index in Entries of the entry that decided; -1: none matched, the list is empty, or the client is a Unix one
}

// Lists are the ten lists. The zero value has ten empty ones. It is an immutable value, one pointer in size, and may be read from any goroutine.
type Lists struct{ lists *[Count]list }

// Append returns lists with e as the last entry of list n. It fails only for an n outside 0 to 9, in Pen's words.
// Building a list of N entries one by one takes time in proportion to N·log N: about half a second of CPU for 100,000.
func (l Lists) Append(n int, e Entry) (Lists, error) {
	if n < 0 || n >= Count {
		return l, fmt.Errorf("add_acl: %d outside (0,%d)", n, Count)
	}
	return l.with(n, l.list(n).append(e)), nil
}

// Clear returns lists with list n empty. It fails only for an n outside 0 to 9, in Pen's words.
func (l Lists) Clear(n int) (Lists, error) {
	if n < 0 || n >= Count {
		return l, fmt.Errorf("del_acl: %d outside (0,%d)", n, Count)
	}
	return l.with(n, nil), nil
}

// Entries returns a copy of list Number(n) in its order.
func (l Lists) Entries(n int) []Entry {
	var all []Entry
	for _, r := range l.list(Number(n)) {
		all = append(all, r.entries...)
	}
	return all
}

// Match judges a client by list Number(n), so that no number given by anybody reads out of bounds (PEN.md B10).
// An invalid client address is a Unix client. A v4-mapped address is judged as the IPv4 address that it is; a zone is ignored.
// With countries nil no country entry matches. It does not allocate unless countries does.
func (l Lists) Match(n int, client netip.Addr, countries Countries) Verdict {
	list := l.list(Number(n))
	if !client.IsValid() || len(list) == 0 {
		return Verdict{Permit: true, Line: -1}
	}
	s := subjectOf(client, countries)
	for _, r := range list {
		if i, found := r.match(&s); found {
			return Verdict{Permit: r.entries[i].permit, Line: r.first + i}
		}
	}
	last := list[len(list)-1].entries
	return Verdict{Permit: !last[len(last)-1].permit, Line: -1}
}

func (l Lists) list(n int) list {
	if l.lists == nil {
		return nil
	}
	return l.lists[n]
}

func (l Lists) with(n int, changed list) Lists {
	lists := new([Count]list)
	if l.lists != nil {
		*lists = *l.lists
	}
	lists[n] = changed
	return Lists{lists}
}

// list is one list, as runs of consecutive entries. Runs are shared between versions of a list and never change.
//
// Every run but the last has an index and is longer than the one behind it, so a list of N entries has at most log2(N/block)+1 runs.
type list []*run

// append joins the new last run with those before it that are not longer, as carries run through a binary counter, so an entry is indexed at most log2(N/block)+1 times.
func (l list) append(e Entry) list {
	keep, entries := len(l), []Entry{e}
	if keep > 0 && len(l[keep-1].entries) < block {
		keep--
		entries = slices.Concat(l[keep].entries, entries)
	}
	if len(entries) == block {
		for keep > 0 && len(l[keep-1].entries) <= len(entries) {
			keep--
			entries = slices.Concat(l[keep].entries, entries)
		}
	}
	first := 0
	if keep > 0 {
		first = l[keep-1].first + len(l[keep-1].entries)
	}
	return append(slices.Clip(l[:keep]), newRun(first, entries))
}
