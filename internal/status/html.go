package status

import (
	"fmt"
	"html"
	"io"
	"strconv"
)

var (
	serverColumns = []string{"server", "address", "status", "port", "connections", "max soft", "max hard", "sent", "received", "weight", "prio"}
	clientColumns = []string{"client", "address", "age(secs)", "last server", "connects", "sent", "received"}
	connColumns   = []string{"connection", "downfd", "upfd", "pending data down", "pending data up", "client", "server"}
)

// WriteTo writes Pen's status page: the same tags, one cell a line, in the same order, so that scripts which cut it up go on working.
// Only the path of a Unix socket could hold anything that HTML has a use for; that is escaped, which Pen does not do.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	h := &cells{w: w}
	h.printf("<html>\n<head>\n<title>Pen status page</title>\n</head>\n<body bgcolor=\"#ffffff\"><h1>Pen status page</h1>\n")
	h.printf("Time %s, %d servers, %d current<p>\n", p.Time.Format(dateFormat), len(p.Servers), p.Current)
	h.table(serverColumns)
	for i := range p.Servers {
		s := &p.Servers[i]
		h.openRow()
		h.number(s.Index)
		h.cell(html.EscapeString(s.address()))
		h.cell(strconv.FormatInt(s.failed(), 10))
		h.numbers(s.Port, s.Connections, s.Soft, s.Hard)
		h.bytes(s.Sent)
		h.bytes(s.Received)
		h.numbers(s.Weight, s.Prio)
		h.closeRow()
	}
	h.printf("</table>\n<h2>Active clients</h2>Max number of clients: %d<p>", p.ClientsMax)
	h.table(clientColumns)
	for i := range p.Clients {
		c := &p.Clients[i]
		h.openRow()
		h.number(c.Index)
		h.cell(c.address())
		h.cell(strconv.FormatInt(p.Time.Unix()-c.LastUsed.Unix(), 10))
		h.number(c.Server)
		h.bytes(c.Connects)
		h.bytes(c.Sent)
		h.bytes(c.Received)
		h.closeRow()
	}
	h.printf("</table>\n<h2>Active connections</h2>Number of connections: %d max, %d used, %d last<p>", p.ConnMax, p.ConnUsed, p.ConnLast)
	h.table(connColumns)
	for _, c := range p.Connections {
		h.openRow()
		h.numbers(c.Index, c.DownFD, c.UpFD, c.PendingDown, c.PendingUp, c.Client, c.Server)
		h.closeRow()
	}
	h.printf("</table>\n</body>\n</html>\n")
	h.flush()
	return h.written, h.err
}

// cells writes a page in large writes. After the first error nothing more is written.
type cells struct {
	w       io.Writer
	buf     []byte
	written int64
	err     error
}

// full is how many bytes are gathered before they are written.
const full = 32 << 10

func (h *cells) printf(format string, args ...any) { h.buf = fmt.Appendf(h.buf, format, args...) }

func (h *cells) table(columns []string) {
	h.printf("<table bgcolor=\"#c0c0c0\">\n")
	h.openRow()
	for _, name := range columns {
		h.printf("<td bgcolor=\"#80f080\">%s</td>\n", name)
	}
	h.closeRow()
}

func (h *cells) openRow() { h.buf = append(h.buf, "<tr>\n"...) }

func (h *cells) closeRow() {
	h.buf = append(h.buf, "</tr>\n"...)
	if len(h.buf) >= full {
		h.flush()
	}
}

func (h *cells) cell(text string) {
	h.buf = append(h.buf, "<td>"...)
	h.buf = append(h.buf, text...)
	h.buf = append(h.buf, "</td>\n"...)
}

func (h *cells) number(n int) { h.cell(strconv.Itoa(n)) }

func (h *cells) numbers(list ...int) {
	for _, n := range list {
		h.number(n)
	}
}

func (h *cells) bytes(n uint64) { h.cell(strconv.FormatUint(n, 10)) }

func (h *cells) flush() {
	if h.err == nil {
		var n int
		n, h.err = h.w.Write(h.buf)
		h.written += int64(n)
	}
	h.buf = h.buf[:0]
}
