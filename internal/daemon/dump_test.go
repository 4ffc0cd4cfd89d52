package daemon

import "testing"

func TestDump(t *testing.T) {
	data := []byte("GET /\r\nq\x02\x80~")
	for ascii, want := range map[bool]string{false: "47 45 54 20 2f 0d 0a 71 02 80 7e ", true: "GET /..q..~"} {
		if got := dump(data, ascii); got != want {
			t.Errorf("ascii %v: %q, want %q", ascii, got, want)
		}
	}
}
