package daemon

import (
	"os"
	"path/filepath"
	"strings"

	"pen/internal/accesslog"
	"pen/internal/confine"
	"pen/internal/control"
)

// confine gives up what a balancer that has started does not need. Root and the jail are behind us: what is named here are names inside it.
func (d *Daemon) confine() error {
	o, s := d.options, d.language.State()
	mode, err := confine.ParseSeccomp(o.Seccomp)
	if err != nil {
		return err
	}
	files := d.files(&s)
	limits := confine.Limits{Seccomp: mode, AllCaps: o.Caps == "keep", Caps: d.capabilities(&s, len(files.Write) > 0)}
	if o.Landlock == "on" {
		limits.Files = files
	}
	for _, line := range confine.Enter(limits) {
		d.log.Warn(line)
	}
	return nil
}

// capabilities are those that a balancer which is root may still need. With -u there is none left to keep, but for what systemd gives.
func (d *Daemon) capabilities(s *control.State, usesFiles bool) (keep []confine.Capability) {
	o := d.options
	if o.Control != "" || o.ConfigFile != "" { // they can say `listen`
		keep = append(keep, confine.NetBindService)
	}
	if s.Plan.Transparent || o.Congestion != "auto" && o.Congestion != "system" { // an algorithm that the system does not offer to everybody
		keep = append(keep, confine.NetAdmin)
	}
	if usesFiles && os.Geteuid() == 0 { // root's files may well stand in a directory of somebody else's
		keep = append(keep, confine.DACOverride)
	}
	return keep
}

// system is what the Go runtime, the C library and pen itself read: the resolver's files (which are replaced, so that their directories are named), time zones, the kernel's figures.
var system = []string{"/etc", "/usr/share/zoneinfo", "/usr/lib", "/lib", "/lib64", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/proc/self", "/proc/sys", "/sys/kernel/mm", "/sys/devices/system/cpu"}

// files are the places that the options name. A file is replaced or rotated by way of its directory.
func (d *Daemon) files(s *control.State) *confine.Files {
	o := d.options
	f := &confine.Files{Read: system}
	f.Write = append(f.Write, o.ControlFiles...)
	if o.GeoIP != "" {
		f.Read = append(f.Read[:len(f.Read):len(f.Read)], filepath.Dir(o.GeoIP))
	}
	named := []string{o.ConfigFile, o.WebStats, s.WebStats, o.PidFile}
	for _, dest := range []string{o.AccessLog, s.Log} {
		if dest != "" && accesslog.IsFile(dest) {
			named = append(named, dest)
		}
	}
	for _, address := range []string{o.Control, s.Listen} {
		if strings.Contains(address, "/") { // a Unix socket
			named = append(named, address)
		}
	}
	for _, name := range named {
		if name != "" {
			f.Write = append(f.Write, filepath.Dir(name))
		}
	}
	return f
}
