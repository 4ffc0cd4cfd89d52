package probe

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadStatus(t *testing.T) {
	long := strings.Repeat("x", lineLimit)
	for _, test := range []struct {
		name, answer string
		status       int
		err          error
	}{
		{"plain", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", 200, nil},
		{"bare newlines", "HTTP/1.0 404 Not Found\n\n", 404, nil},
		{"no reason", "HTTP/1.1 204\r\n\r\n", 204, nil},
		{"empty reason", "HTTP/1.1 302 \r\n\r\n", 302, nil},
		{"interim answers first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\n\r\n", 503, nil},
		{"101 is final", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, nil},
		{"long header line", "HTTP/1.1 200 OK\r\nA: " + long + long + "\r\n\r\n", 200, nil},
		{"line of exactly one buffer is not the end", "HTTP/1.1 200 OK\r\n" + long + "\r\n", 0, errCutShort},
		{"nothing", "", 0, errCutShort},
		{"status only", "HTTP/1.1 200 OK\r\n", 0, errCutShort},
		{"half a status line", "HTTP/1.1 20", 0, errMalformed},
		{"no empty line", "HTTP/1.1 200 OK\r\nA: b\r\n", 0, errCutShort},
		{"interim only", "HTTP/1.1 100 Continue\r\n\r\n", 0, errCutShort},
		{"garbage", "SSH-2.0-OpenSSH_9.2\r\n", 0, errMalformed},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", 0, errMalformed},
		{"two digits", "HTTP/1.1 20 OK\r\n\r\n", 0, errMalformed},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", 0, errMalformed},
		{"no digits", "HTTP/1.1 2x0 OK\r\n\r\n", 0, errMalformed},
		{"too low", "HTTP/1.1 099 OK\r\n\r\n", 0, errMalformed},
		{"status line too long", "HTTP/1.1 200 " + long + "\r\n\r\n", 0, errMalformed},
		{"header of the limit", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", (headerLimit-19-3)/6) + "c\r\n\r\n" + "body", 200, nil},
		{"header too long", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", headerLimit/6) + "\r\n", 0, errTooLong},
		{"line too long", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a", headerLimit) + "\r\n\r\n", 0, errTooLong},
		{"interim without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", headerLimit/20), 0, errTooLong},
	} {
		for pace, r := range map[string]io.Reader{
			"at once":      strings.NewReader(test.answer),
			"byte by byte": iotest.OneByteReader(strings.NewReader(test.answer)),
		} {
			status, err := readStatus(r)
			if status != test.status || !errors.Is(err, test.err) {
				t.Errorf("%s, %s: status %d, error %v; want %d, %v", test.name, pace, status, err, test.status, test.err)
			}
		}
	}
}

func TestReadStatusPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nA: "), iotest.ErrReader(broken))
	if _, err := readStatus(r); err != broken {
		t.Errorf("error %v, want the reader's own", err)
	}
}

func TestReadStatusReadsLittle(t *testing.T) {
	body := &countingReader{text: "body"}
	header := strings.NewReader("HTTP/1.1 200 OK\r\n\r\n")
	if status, err := readStatus(io.MultiReader(header, body)); status != 200 || err != nil {
		t.Fatalf("status %d, error %v", status, err)
	}
	if body.n > lineLimit {
		t.Errorf("%d bytes of the body are read, want at most %d", body.n, lineLimit)
	}
	endless := &countingReader{text: "HTTP/1.1 200 OK\r\n"}
	if _, err := readStatus(endless); err != errTooLong {
		t.Errorf("error %v, want %v", err, errTooLong)
	}
	if endless.n > headerLimit {
		t.Errorf("%d bytes of the header are read, want at most %d", endless.n, headerLimit)
	}
}

// FuzzReadStatus: an error or a final status, never both or neither, and the header of a good answer does end.
func FuzzReadStatus(f *testing.F) {
	for _, seed := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.0 404\n\n", "garbage", "HTTP/1.1 999 \r\r\n\n\r\n", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		status, err := readStatus(strings.NewReader(string(answer)))
		if err != nil {
			if status != 0 {
				t.Fatalf("status %d beside error %v", status, err)
			}
			return
		}
		if status != 101 && (status < 200 || status > 999) {
			t.Fatalf("final status %d", status)
		}
		text := string(answer)
		if !strings.Contains(text, "\n\n") && !strings.Contains(text, "\n\r\n") {
			t.Fatalf("status %d of a header without end: %q", status, text)
		}
	})
}
