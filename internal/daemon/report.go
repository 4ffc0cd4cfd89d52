package daemon

// report writes the statistics to the log (USR1).
func (d *Daemon) report() {
	d.group.Settle()
	for i, s := range d.balance.Plan().Servers {
		slot := d.slots.Get(s.ID)
		d.log.Info("server", "index", i, "name", s.Name, "address", s.Addr, "connections", slot.Live(), "connects", slot.Connects(), "failures", slot.Failures(),
			"sent", slot.Up(), "received", slot.Down(), "usable", slot.Health(d.group.Now()).Usable())
	}
	open, idle, refused, size := d.group.Pipes()
	d.log.Info("pipes", "open", open, "idle", idle, "refused", refused, "size", size)
	d.log.Info("clients", "known", d.table.Len(), "slots", d.table.Cap(), "evicted", d.table.Evictions())
	d.log.Info("totals", d.group.Totals().Attrs()...)
}
