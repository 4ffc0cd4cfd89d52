// Command pen is a TCP load balancer that remembers its clients and sends each back to the server it used last.
//
// main is the plot and holds no logic: parse, build, run, wait, close. The tools that belong to it are the same program, under their own names or as a first word.
package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"pen/internal/config"
	"pen/internal/confine"
	"pen/internal/control"
	"pen/internal/daemon"
	"pen/internal/demo"
	"pen/internal/process"
	"pen/internal/weblog"
)

func main() { os.Exit(run(filepath.Base(os.Args[0]), os.Args[1:])) }

// run does what the program's name or else the first word says, and returns the exit status.
func run(name string, args []string) int {
	if len(args) > 0 {
		if full, ok := map[string]string{"ctl": "penctl", "log": "penlog", "logd": "penlogd", "mergelogs": "mergelogs", "demo": "demo", "check": "check", "completion": "completion"}[args[0]]; ok {
			name, args = full, args[1:]
		}
	}
	switch name {
	case "penctl":
		return control.Ctl(args, os.Stdout, os.Stderr)
	case "penlog":
		return weblog.Penlog(args, os.Stdin, os.Stdout, os.Stderr)
	case "penlogd":
		return penlogd(args)
	case "mergelogs":
		return weblog.Mergelogs(args, os.Stdout, os.Stderr)
	case "check":
		return check(args)
	case "completion":
		return completion(args)
	case "demo":
		return demo.Run(context.Background(), args, os.Stdout)
	}
	return pen(args)
}

// pen balances.
func pen(args []string) int {
	const name = "pen"
	o, err := config.Parse(name, args)
	if err != nil {
		return config.Report(name, err, os.Stdout, os.Stderr)
	}
	if !o.Foreground && !process.Detached() {
		return process.Detach(name)
	}
	birth := process.Born(name)
	level := new(slog.LevelVar)
	log, logs := process.Logger(o.Foreground, level)
	defer logs.Close()
	d, err := daemon.Build(o, log, level)
	if err != nil {
		return birth.Failed(config.ExitCode(err), err)
	}
	defer d.Close()
	if err := birth.Ready(); err != nil {
		return birth.Failed(1, err)
	}
	d.Serve()
	return 0
}

// check says what pen would do with a config file, and with flags and addresses after it, and starts nothing.
func check(args []string) int {
	const name = "pen"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = append([]string{"-F"}, args...)
	}
	o, err := config.Parse(name, args)
	if err != nil {
		return config.Report(name, err, os.Stdout, os.Stderr)
	}
	log, logs := process.Logger(true, process.Level(o.Debug))
	err = daemon.Check(o, log, os.Stdout)
	logs.Close() // what was warned of stands before the verdict
	return config.Report(name, err, os.Stdout, os.Stderr)
}

// completion prints a shell's completions.
func completion(args []string) int {
	shell := ""
	if len(args) == 1 {
		shell = args[0]
	}
	return config.Report("pen completion", config.Completion(os.Stdout, shell), os.Stdout, os.Stderr)
}

// penlogd collects.
func penlogd(args []string) int {
	const name = "penlogd"
	o, err := weblog.ParsePenlogd(args)
	if err != nil {
		return weblog.ReportPenlogd(err, os.Stdout, os.Stderr)
	}
	if !o.Foreground && !process.Detached() {
		return process.Detach(name)
	}
	birth := process.Born(name)
	log, logs := process.Logger(o.Foreground, process.Level(o.Debug))
	defer logs.Close()
	out, err := birth.KeepStdout() // where the lines go without -l, also of a daemon
	if err != nil {
		return birth.Failed(1, err)
	}
	defer out.Close()
	c, err := weblog.NewCollector(o, out, log)
	if err != nil {
		return birth.Failed(1, err)
	}
	defer c.Close()
	pid, err := process.Place{User: o.User, Chroot: o.Chroot, PidFile: o.PidFile}.Take(c.OpenLog)
	if err != nil {
		return birth.Failed(1, err)
	}
	defer pid.Remove()
	if o.Confine == "on" {
		for _, line := range confine.Enter(confine.Limits{Seccomp: confine.On, Files: &confine.Files{Write: o.Directories()}, Caps: []confine.Capability{confine.DACOverride}}) {
			log.Warn(line)
		}
	}
	if err := birth.Ready(); err != nil {
		return birth.Failed(1, err)
	}
	if err := c.Serve(); err != nil {
		log.Error("end", "error", err)
		return 1
	}
	return 0
}
