package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// penNotBuilt stands for pen until getPen is asked for it.
func penNotBuilt() (program, error) {
	return program{}, errors.New("built from this checkout, or --pen PATH")
}

// getPen returns the pen binary that was asked for, or if none was builds the module that holds the working directory into dir.
func getPen(ctx context.Context, o *options, dir string) (program, error) {
	path := o.pen
	if path == "" {
		target := filepath.Join(dir, "pen")
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

// unknownCommit stands for the commit of a binary that the go command did not stamp.
const unknownCommit = "unknown commit"

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
		return unknownCommit
	}
	return commit + changed
}

func penArgv(p *peer, t task) ([]string, error) {
	argv := slices.Concat([]string{p.Path, "-f"}, penLimits(t), p.Flags, []string{t.Listen}, t.Servers)
	return argv, nil
}

// penLimits are the flags, old Pen's and ours alike, for the sizes that a task needs.
func penLimits(t task) []string {
	flags := []string{"-x", strconv.Itoa(t.allowed())}
	if t.Clients > 0 {
		flags = append(flags, "-c", strconv.Itoa(t.slots()))
	}
	if t.Family == "storm" {
		flags = append(flags, "-q", strconv.Itoa(stormBacklog))
	}
	return flags
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
