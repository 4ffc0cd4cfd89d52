package main

import (
	"log/slog"
	"os"

	"pen/internal/weblog"
)

func main() {
	args := os.Args[2:]
	switch os.Args[1] {
	case "penlog":
		os.Exit(weblog.Penlog(args, os.Stdin, os.Stdout, os.Stderr))
	case "mergelogs":
		os.Exit(weblog.Mergelogs(args, os.Stdout, os.Stderr))
	case "penlogd":
		o, err := weblog.ParsePenlogd(args)
		if err == nil {
			err = run(o)
		}
		os.Exit(weblog.ReportPenlogd(err, os.Stdout, os.Stderr))
	}
}

func run(o *weblog.PenlogdOptions) error {
	c, err := weblog.NewCollector(o, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.OpenLog(); err != nil {
		return err
	}
	return c.Serve()
}
