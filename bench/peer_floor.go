package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// relay is one of the relays in C, in source.
type relay struct {
	name   string
	source string
	libs   []string // for the linker
	header string   // a file that is there if the libraries are; "": none is wanted
	apt    string   // what to install
}

var (
	//go:embed floor/floor.c
	floorSource string

	//go:embed floor/ring.c
	ringSource string

	floor = relay{name: "floor", source: floorSource, apt: "gcc libc6-dev"}
	ring  = relay{name: "ring", source: ringSource, libs: []string{"-luring"}, header: "/usr/include/liburing.h", apt: "gcc libc6-dev liburing-dev"}
)

// find finds the compiler, and what the relay needs besides.
func (r relay) find() (program, error) {
	path, err := lookup("cc")
	if err == nil && r.header != "" {
		_, err = os.Stat(r.header)
	}
	if err != nil {
		return program{}, errors.New("cannot be compiled: apt-get install " + r.apt)
	}
	return program{Path: path}, nil
}

// compile compiles the relay into dir.
func (r relay) compile(ctx context.Context, _ *options, dir string) (program, error) {
	cc, err := r.find()
	if err != nil {
		return program{}, err
	}
	source, err := writeFile(dir, r.name+".c", r.source)
	if err != nil {
		return program{}, err
	}
	target := filepath.Join(dir, r.name)
	var said strings.Builder
	c, err := startChild(command{Argv: append([]string{cc.Path, "-O2", "-o", target, source}, r.libs...), Stdout: &said})
	if err != nil {
		return program{}, fmt.Errorf("compile %s: %w", r.name, err)
	}
	if err := c.Wait(ctx); err != nil {
		c.Stop(0)
		return program{}, fmt.Errorf("compile %s: %w: %s; to install what it takes: apt-get install %s", r.name, err, c.Said(), r.apt)
	}
	return program{Path: target, Version: "cc -O2"}, nil
}

// floorArgv gives the relay an event loop for each CPU.
func floorArgv(p *peer, t task) ([]string, error) {
	return append([]string{p.Path, strconv.Itoa(runtime.NumCPU()), t.Listen}, t.Servers...), nil
}
