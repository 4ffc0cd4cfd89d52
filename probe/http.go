package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	// headerLimit bounds what is read of an answer, in bytes, so that a header without end cannot hold a check until its timeout. 16 KiB is twice what nginx accepts of a
	// server by default (proxy_buffer_size).
	headerLimit = 16 << 10
	// lineLimit is the read buffer, in bytes: the longest status line understood, and the most that may be read of a body (what came together with the header's end).
	lineLimit = 4 << 10
)

var (
	errMalformed = errors.New("answer is not HTTP/1")
	errCutShort  = errors.New("answer ends before its header does")
	errTooLong   = fmt.Errorf("header is longer than %d bytes", headerLimit)
)

// get asks for path over conn and returns the status of the answer. host goes into the Host header; a name that may not stand there, such as the path of a Unix
// socket, becomes localhost. Redirects are the caller's to judge, and the body is left unread.
func get(conn io.ReadWriter, path, host string) (status int, err error) {
	if host == "" || !token(host, "/") {
		host = "localhost"
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: pen-check\r\nConnection: close\r\n\r\n", path, host)
	if err != nil {
		return 0, err
	}
	return readStatus(conn)
}

// readStatus returns the status of the final answer in r, once its whole header has come. Interim answers (1xx, RFC 9110 section 15.2) are passed over, except 101,
// which is final. Errors of r come back as they are.
func readStatus(r io.Reader) (status int, err error) {
	limited := &io.LimitedReader{R: r, N: headerLimit}
	lines := bufio.NewReaderSize(limited, lineLimit)
	for {
		status, err = readHeader(lines)
		switch {
		case err != nil && limited.N == 0:
			return 0, errTooLong
		case err == io.EOF:
			return 0, errCutShort
		case err != nil:
			return 0, err
		case status >= 200 || status == 101:
			return status, nil
		}
	}
}

// readHeader reads one header up to and including its empty line and returns the status. io.EOF means that the input ended first.
func readHeader(lines *bufio.Reader) (status int, err error) {
	line, more, err := lines.ReadLine()
	if err != nil {
		return 0, err
	}
	status, ok := parseStatus(line)
	if !ok || more {
		return 0, errMalformed
	}
	// A piece of a long line may be empty too: only an empty line that continues nothing ends the header.
	for continued := false; ; continued = more {
		line, more, err = lines.ReadLine()
		if err != nil {
			return 0, err
		}
		if len(line) == 0 && !continued {
			return status, nil
		}
	}
}

// parseStatus reads a status line, RFC 9112 section 4: "HTTP/1.x NNN" and, after a blank, any reason.
func parseStatus(line []byte) (status int, ok bool) {
	const code = len("HTTP/1.1 ")
	if len(line) < code+3 || string(line[:7]) != "HTTP/1." || !digit(line[7]) || line[8] != ' ' {
		return 0, false
	}
	for _, c := range line[code : code+3] {
		if !digit(c) {
			return 0, false
		}
		status = status*10 + int(c-'0')
	}
	ended := len(line) == code+3 || line[code+3] == ' '
	return status, ended && status >= 100
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
