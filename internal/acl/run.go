package acl

// block is the length from which a run is indexed. Up to about here, comparing one entry after the other is as quick as the index (BenchmarkMatch), and cheaper to build.
const block = 32

// run is some consecutive entries of a list. It never changes.
type run struct {
	first   int // index in the list of entries[0]
	entries []Entry
	rules   []rule // one per entry; nil if there is an index
	index   *index
}

func newRun(first int, entries []Entry) *run {
	rules := make([]rule, len(entries))
	for i, e := range entries {
		rules[i] = e.rule()
	}
	if len(entries) < block {
		return &run{first: first, entries: entries, rules: rules}
	}
	return &run{first: first, entries: entries, index: newIndex(rules)}
}

// match returns the lowest index in entries that matches.
func (r *run) match(s *subject) (int, bool) {
	if r.index != nil {
		return r.index.match(s)
	}
	for i := range r.rules {
		if r.rules[i].matches(s) {
			return i, true
		}
	}
	return 0, false
}

// index answers for many rules at once. Rules of one family and one mask differ only in the address they want, so one map look-up per mask in use stands for all of them:
// real lists have a few masks, and never more than 33 and 129 kinds of prefix. Masks with holes in them are as good as others.
type index struct {
	masks  [place][]maskIndex // by family; each in the order of first
	places map[[2]byte]int
	place  int // lowest index in places; length if there is none
	length int // of the run
}

// maskIndex is the rules with one mask: what the masked client must equal → the lowest index of a rule that wants it.
type maskIndex struct {
	mask  key
	first int // lowest index in wants
	wants map[key]int
}

func newIndex(rules []rule) *index {
	x := &index{places: map[[2]byte]int{}, place: len(rules), length: len(rules)}
	at := [place]map[key]int{{}, {}} // by family: mask → position in masks
	for i := range rules {
		r := &rules[i]
		if r.family == place {
			putFirst(x.places, r.code, i)
			x.place = min(x.place, i)
			continue
		}
		masks := &x.masks[r.family]
		n, known := at[r.family][r.mask]
		if !known {
			n = len(*masks)
			at[r.family][r.mask] = n
			*masks = append(*masks, maskIndex{mask: r.mask, first: i, wants: map[key]int{}})
		}
		putFirst((*masks)[n].wants, r.want, i)
	}
	return x
}

func putFirst[K comparable](m map[K]int, k K, i int) {
	if _, known := m[k]; !known {
		m[k] = i
	}
}

// match returns the lowest index that matches. Masks are in the order of their first rule, so the search ends at the first mask that cannot beat what is found,
// and the country is not asked for if it cannot either.
func (x *index) match(s *subject) (int, bool) {
	lowest := x.length
	for m := range x.masks[s.family] {
		mask := &x.masks[s.family][m]
		if mask.first >= lowest {
			break
		}
		if i, found := mask.wants[s.key.and(mask.mask)]; found {
			lowest = min(lowest, i)
		}
	}
	if x.place < lowest {
		if i, found := x.places[s.country()]; found {
			lowest = min(lowest, i)
		}
	}
	return lowest, lowest < x.length
}
