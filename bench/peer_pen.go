package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// penNotBuilt stands for pen until getPen is asked for it.
func penNotBuilt() (program, error) {
	return program{}, errors.New("built from this checkout, or --pen PATH")
}

// getPen returns the pen binary at path, or if path is empty builds the module that holds the working directory to target.
func getPen(ctx context.Context, path, target string) (program, error) {
	if path == "" {
		if err := buildPen(ctx, target); err != nil {
			return program{}, err
		}
		path = target
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return program{}, err
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return program{}, fmt.Errorf("pen binary: %w", err)
	}
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return program{}, fmt.Errorf("pen binary: %s --version: %w", path, err)
	}
	return program{Path: path, Version: strings.TrimSpace(firstLine(string(said))) + ", " + info.GoVersion, Commit: commitOf(info)}, nil
}

func buildPen(ctx context.Context, target string) error {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	if err != nil || root == "." || string(mod) == os.DevNull+"\n" {
		return errors.New("build pen: no go command or no module here: run it in pen's checkout, or say --pen PATH")
	}
	var said strings.Builder
	c, err := startChild(command{Argv: []string{"go", "build", "-C", root, "-o", target, "."}, Stdout: &said})
	if err != nil {
		return fmt.Errorf("build pen: %w", err)
	}
	if err := c.Wait(ctx); err != nil {
		c.Stop(0)
		return fmt.Errorf("build pen: %w: %s", err, c.Said())
	}
	return nil
}

// commitOf is the commit a binary was built from, with a + if the tree had changes.
func commitOf(info *buildinfo.BuildInfo) string {
	var commit, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if commit == "" {
		return "unknown commit"
	}
	return commit + changed
}

func penArgv(p *peer, t task) ([]string, error) {
	argv := append([]string{p.Path, "-f", "-x", strconv.Itoa(maxConns)}, p.Flags...)
	return append(append(argv, t.Listen), t.Servers...), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
