package sys

import (
	"errors"
	"syscall"
	"testing"
)

func TestFDClose(t *testing.T) {
	n, e := Socket(Local)
	if e != 0 {
		t.Fatal(e)
	}
	fd := Own(n)
	if fd.Int() != n || !isOpen(n) {
		t.Fatalf("owns %d, want %d", fd.Int(), n)
	}
	if err := fd.Close(); err != nil || isOpen(n) || fd.Int() != -1 {
		t.Fatalf("close: %v, open %v, number %d", err, isOpen(n), fd.Int())
	}

	again, e := Socket(Local) // most likely under the same number
	if e != 0 {
		t.Fatal(e)
	}
	defer Close(again)
	if err := fd.Close(); err != nil || !isOpen(again) {
		t.Fatalf("a second Close: %v, and somebody else's descriptor open: %v", err, isOpen(again))
	}
}

func TestFDDisown(t *testing.T) {
	n, e := Socket(Local)
	if e != 0 {
		t.Fatal(e)
	}
	defer Close(n)
	fd := Own(n)
	if got := fd.Disown(); got != n || fd.Int() != -1 {
		t.Fatalf("disowned %d, left with %d; want %d, -1", got, fd.Int(), n)
	}
	if err := fd.Close(); err != nil || !isOpen(n) {
		t.Fatalf("Close after Disown: %v, open %v", err, isOpen(n))
	}
}

func TestFDOfNothing(t *testing.T) {
	var none *FD
	if err := none.Close(); err != nil {
		t.Errorf("close of a nil FD: %v", err)
	}
	if _, err := Own(-1).Dup(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("dup of nothing: %v", err)
	}
}

func TestFDDup(t *testing.T) {
	n, e := Socket(Local)
	if e != 0 {
		t.Fatal(e)
	}
	fd := owned(t, n)
	d, err := fd.Dup()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Int() == n {
		t.Fatal("the same number")
	}
	wantFlags(t, d.Int())
	fd.Close()
	if !isOpen(d.Int()) {
		t.Error("the duplicate went with the original")
	}
}
