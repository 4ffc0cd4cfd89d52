// Command pen is a TCP load balancer that remembers its clients and sends each back to the server it used last.
//
// main is the plot and holds no logic: parse, build, run, wait, close.
package main

import (
	"context"
	"os"

	"pen/internal/config"
	"pen/internal/daemon"
	"pen/internal/demo"
	"pen/internal/process"
)

const name = "pen"

func main() { os.Exit(run(os.Args[1:])) }

// run does what the arguments say and returns the exit status.
func run(args []string) int {
	if len(args) > 0 && args[0] == "demo" {
		return demo.Run(context.Background(), args[1:], os.Stdout)
	}
	o, err := config.Parse(name, args)
	if err != nil {
		return config.Report(name, err, os.Stdout, os.Stderr)
	}
	if !o.Foreground && !process.Detached() {
		return process.Detach(name)
	}
	birth := process.Born(name)
	log, logs := process.Logger(o.Foreground, o.Debug)
	defer logs.Close()
	d, err := daemon.Build(o, log)
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
