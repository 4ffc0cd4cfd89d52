package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// checkFiles tries the files that results will go to, and reads the one to compare with, if there is one.
func (o *options) checkFiles() (before *jsonReport, err error) {
	// Read first: it may be the very file that --json will write.
	if o.compare != "" {
		if before, err = readReport(o.compare); err != nil {
			return nil, err
		}
	}
	for _, path := range []string{o.json, o.html} {
		if path == "" {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return before, nil
}

// writeFiles writes what --json and --html asked for and says so on out. One that fails does not keep the other from being written.
func (r *report) writeFiles(out io.Writer) error {
	var errs error
	for _, f := range []struct {
		path, what string
		make       func() ([]byte, error)
	}{{r.opts.json, "every figure of every round", r.JSON}, {r.opts.html, "the report with plots", r.HTML}} {
		if f.path == "" {
			continue
		}
		b, err := f.make()
		if err == nil {
			err = os.WriteFile(f.path, b, 0o644)
		}
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		fmt.Fprintf(out, "\n%s: %s\n", f.what, f.path)
	}
	return errs
}
