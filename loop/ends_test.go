package loop

import (
	"slices"
	"testing"
)

func TestEndsAreFoundByTheirDescriptor(t *testing.T) {
	var table ends
	fds := []int{0, 3, chunkEnds - 1, chunkEnds, 5 * chunkEnds, 5*chunkEnds + 1}
	byFD := map[int]*end{}
	for _, fd := range fds {
		byFD[fd] = new(end)
		table.put(fd, byFD[fd])
	}
	for fd := range 7 * chunkEnds {
		if got := table.at(fd); got != byFD[fd] {
			t.Fatalf("descriptor %d finds %p, want %p", fd, got, byFD[fd])
		}
	}
	if table.chunks[2] != nil {
		t.Error("descriptors that nobody had take memory")
	}

	var seen []int
	for fd, e := range table.all() {
		if e != byFD[fd] {
			t.Errorf("descriptor %d yields %p, want %p", fd, e, byFD[fd])
		}
		seen = append(seen, fd)
		table.put(chunkEnds, nil) // another one ends meanwhile
	}
	if want := slices.Delete(slices.Clone(fds), 3, 4); !slices.Equal(seen, want) {
		t.Errorf("yielded %v, want %v: those that ended meanwhile left out", seen, want)
	}
	for fd := range table.all() {
		if fd == 0 {
			break
		}
		t.Errorf("descriptor %d comes first", fd)
	}
}
