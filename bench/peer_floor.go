package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

//go:embed floor/floor.c
var floorSource string

func findCompiler() (program, error) {
	path, err := lookup("cc")
	if err != nil {
		return program{}, errors.New("no C compiler: apt-get install gcc libc6-dev")
	}
	return program{Path: path}, nil
}

// compileFloor compiles the relay into dir.
func compileFloor(ctx context.Context, _ *options, dir string) (program, error) {
	cc, err := findCompiler()
	if err != nil {
		return program{}, err
	}
	source, err := writeFile(dir, "floor.c", floorSource)
	if err != nil {
		return program{}, err
	}
	target := filepath.Join(dir, "floor")
	var said strings.Builder
	c, err := startChild(command{Argv: []string{cc.Path, "-O2", "-o", target, source}, Stdout: &said})
	if err != nil {
		return program{}, fmt.Errorf("compile floor: %w", err)
	}
	if err := c.Wait(ctx); err != nil {
		c.Stop(0)
		return program{}, fmt.Errorf("compile floor: %w: %s; to install a compiler: apt-get install gcc libc6-dev", err, c.Said())
	}
	return program{Path: target, Version: "cc -O2"}, nil
}

// floorArgv gives the relay an event loop for each CPU.
func floorArgv(p *peer, t task) ([]string, error) {
	return append([]string{p.Path, strconv.Itoa(runtime.NumCPU()), t.Listen}, t.Servers...), nil
}
