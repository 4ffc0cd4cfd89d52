package loop

import "iter"

// chunkEnds is how many descriptors a chunk of ends is for: 4 KB.
const chunkEnds = 512

// ends finds a descriptor's end. It grows by chunks, so that nothing is moved, and nothing left to the garbage collector, as a process fills up with connections. The zero value is ready. Owned by the loop.
type ends struct {
	chunks []*[chunkEnds]*end // nil: none of its descriptors was ever this loop's
}

// at returns the end that has a descriptor, nil if it is none of the loop's connections'.
func (t *ends) at(fd int) *end {
	if i := fd / chunkEnds; i < len(t.chunks) && t.chunks[i] != nil {
		return t.chunks[i][fd%chunkEnds]
	}
	return nil
}

// put has a descriptor's events go to e; nil: to nobody.
func (t *ends) put(fd int, e *end) {
	i := fd / chunkEnds
	for i >= len(t.chunks) {
		t.chunks = append(t.chunks, nil)
	}
	if t.chunks[i] == nil {
		t.chunks[i] = new([chunkEnds]*end)
	}
	t.chunks[i][fd%chunkEnds] = e
}

// all yields every end, with its descriptor, in the order of these. The one yielded may be closed meanwhile, and so may others.
func (t *ends) all() iter.Seq2[int, *end] {
	return func(yield func(int, *end) bool) {
		for i, chunk := range t.chunks {
			if chunk == nil {
				continue
			}
			for j := range chunk {
				if e := chunk[j]; e != nil && !yield(i*chunkEnds+j, e) {
					return
				}
			}
		}
	}
}
