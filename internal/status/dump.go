package status

import (
	"fmt"
	"iter"
)

// Dump is the text that SIGUSR1 asks for where there is no file for the page. Each value is one message for the log, and may have several lines.
// They are Pen's, but for those of clients, which Pen prints from the wrong memory (PEN.md B16).
func (p *Page) Dump() iter.Seq[string] {
	return func(say func(string) bool) {
		_ = say(fmt.Sprintf("Time %s, %d servers, %d current", p.Time.Format(dateFormat), len(p.Servers), p.Current)) &&
			each(p.Servers, (*Server).dump, say) &&
			say(fmt.Sprintf("Max number of clients: %d", p.ClientsMax)) &&
			say("Active clients:") &&
			each(p.Clients, (*Client).dump, say) &&
			say(fmt.Sprintf("Max number of connections: %d", p.ConnMax)) &&
			say("Active connections:") &&
			each(p.Connections, (*Connection).dump, say)
	}
}

// each says all of list; it is false when say has had enough.
func each[T any](list []T, dump func(*T) string, say func(string) bool) bool {
	for i := range list {
		if !say(dump(&list[i])) {
			return false
		}
	}
	return true
}

func (s *Server) dump() string {
	return fmt.Sprintf("Server %d status:\naddress %s\n%d\nport %d\n%d connections (%d soft, %d hard)\n%d sent, %d received\n",
		s.Index, s.address(), s.failed(), s.Port, s.Connections, s.Soft, s.Hard, s.Sent, s.Received)
}

func (c *Client) dump() string {
	return fmt.Sprintf("Client %d status:\naddress %s\nlast used %d\nlast server %d\n%d connects\n%d sent, %d received\n",
		c.Index, c.address(), c.LastUsed.Unix(), c.Server, c.Connects, c.Sent, c.Received)
}

func (c *Connection) dump() string {
	return fmt.Sprintf("Connection %d status:\ndownfd = %d, upfd = %d\npending data %d down, %d up\nclient %d, server %d\n",
		c.Index, c.DownFD, c.UpFD, c.PendingDown, c.PendingUp, c.Client, c.Server)
}
