package daemon

import (
	"bytes"
	"strings"
	"time"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/control"
	"pen/internal/status"
)

// page takes a snapshot of everything the status page shows.
func (d *Daemon) page() *status.Page {
	d.group.Settle()
	plan := d.balance.Plan()
	page := &status.Page{Time: time.Now(), Current: d.balance.Latest(), ConnMax: plan.MaxConns, ConnUsed: d.group.Live(), ClientsMax: d.table.Cap()}
	for i, v := range plan.Servers {
		line := status.Server{Index: i, Soft: v.Soft, Hard: v.Hard, Weight: v.Weight, Prio: v.Prio}
		if v.ID != backend.None {
			slot := d.slots.Get(v.ID)
			line.Address, line.Port = v.Host, int(v.Addr.IP.Port())
			if v.Addr.Path != "" {
				line.Port = 1 // as Pen
			}
			line.Connections, line.Sent, line.Received = int(slot.Live()), slot.Up(), slot.Down()
			if at := control.BlacklistedAt(slot, plan.BlacklistTime); at != 0 {
				line.Failed = time.Unix(0, at)
			}
		}
		page.Servers = append(page.Servers, line)
	}
	servers := d.serverNumbers()
	for e := range d.table.Each {
		page.Clients = append(page.Clients, status.Client{
			Index: len(page.Clients), Address: e.Key.Addr(), LastUsed: time.Unix(0, e.LastSeen), Server: number(servers, backend.ID(e.Home), balance.NoNumber),
			Connects: uint64(e.Connects), Sent: e.Down, Received: e.Up,
		})
	}
	clients := map[affinity.Key]int{}
	for i, c := range page.Clients {
		clients[plan.Prefix.Key(c.Address)] = i
	}
	for _, v := range d.group.Connections() {
		line := status.Connection{
			Index: v.Number, DownFD: v.Down, UpFD: v.Up, PendingDown: v.PendingDown, PendingUp: v.PendingUp,
			Client: number(clients, plan.Prefix.Key(v.Client.Addr()), noClient), Server: balance.NoNumber,
		}
		if v.Server != nil {
			line.Server = number(servers, v.Server.ID, balance.NoNumber)
		}
		page.Connections = append(page.Connections, line)
		page.ConnLast = max(page.ConnLast, v.Number)
	}
	return page
}

func render(p *status.Page) ([]byte, error) {
	var b bytes.Buffer
	_, err := p.WriteTo(&b)
	return b.Bytes(), err
}

// serverNumbers finds the number of a server by its id.
func (d *Daemon) serverNumbers() map[backend.ID]int {
	plan := d.balance.Plan()
	numbers := map[backend.ID]int{}
	if plan.Abuse != nil {
		numbers[plan.Abuse.ID] = balance.AbuseNumber
	}
	if plan.Emergency != nil {
		numbers[plan.Emergency.ID] = balance.EmergencyNumber
	}
	for i, v := range plan.Servers {
		if v.ID != backend.None {
			numbers[v.ID] = i
		}
	}
	return numbers
}

// clientNumbers finds the number of a client by its key: its place in the table's order, which changes as the table does.
func (d *Daemon) clientNumbers() map[affinity.Key]int {
	numbers := map[affinity.Key]int{}
	for e := range d.table.Each {
		numbers[e.Key] = len(numbers)
	}
	return numbers
}

// noClient is the number of a client that the table does not know.
const noClient = -1

// number looks one up; none stands for no number.
func number[K comparable](numbers map[K]int, key K, none int) int {
	if n, ok := numbers[key]; ok {
		return n
	}
	return none
}

// report is what USR1 asks for: the figures in the log, and the page in its file. Pen's dump of every client and connection follows only with -d: it can be longer than any log wants.
func (d *Daemon) report() {
	page := d.page()
	for i, v := range d.balance.Plan().Servers {
		if v.ID == backend.None {
			continue
		}
		slot := d.slots.Get(v.ID)
		d.log.Info("server", "index", i, "name", v.Name, "address", v.Addr, "connections", slot.Live(), "connects", slot.Connects(), "failures", slot.Failures(),
			"sent", slot.Up(), "received", slot.Down(), "usable", slot.Health(d.Now()).Usable())
	}
	open, idle, refused, size := d.group.Pipes()
	d.log.Info("pipes", "open", open, "idle", idle, "refused", refused, "size", size)
	d.log.Info("clients", "known", d.table.Len(), "slots", d.table.Cap(), "evicted", d.table.Evictions())
	d.log.Info("totals", d.group.Totals().Attrs()...)
	if file := d.language.State().WebStats; file != "" {
		if err := page.WriteFile(file); err != nil {
			d.log.Error("write status", "error", err)
		}
	}
	for text := range page.Dump() {
		for line := range strings.Lines(text) {
			d.log.Debug(strings.TrimSuffix(line, "\n"))
		}
	}
}
