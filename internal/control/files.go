package control

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxFile bounds a file of commands, in bytes: the longest lists of addresses fit several times over, and a device or a mistake does not fill memory.
const maxFile = 64 << 20

// tree is where a command may reach files: *os.Root, which nothing under it leads out of, or everywhere.
type tree interface {
	Lstat(name string) (fs.FileInfo, error)
	Stat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Rename(from, to string) error
	Remove(name string) error
	Close() error
}

// everywhere is the tree of the operator.
type everywhere struct{}

func (everywhere) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }
func (everywhere) Stat(name string) (fs.FileInfo, error)  { return os.Stat(name) }
func (everywhere) Rename(from, to string) error           { return os.Rename(from, to) }
func (everywhere) Remove(name string) error               { return os.Remove(name) }
func (everywhere) Close() error                           { return nil }
func (everywhere) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}

// enter returns the tree that a command may reach path in, and the path in it. A command from the network (PEN.md B28) must name an absolute path without ".."
// under one of the named directories. The caller closes the tree.
func (in *Interpreter) enter(path string, origin Origin) (tree, string, error) {
	switch origin {
	case Trusted:
		return everywhere{}, path, nil
	case Onlooker:
		return nil, "", fmt.Errorf("use %s: only the control port takes names of files", path)
	}
	if !filepath.IsAbs(path) || slices.Contains(strings.Split(path, "/"), "..") {
		return nil, "", fmt.Errorf("use %s: the path must be absolute and without ..", path)
	}
	for _, dir := range in.cfg.Dirs {
		rel, err := filepath.Rel(dir, filepath.Clean(path))
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, "", fmt.Errorf("open the directory of control files: %w", err)
		}
		return root, rel, nil
	}
	return nil, "", fmt.Errorf("use %s: it is not under a directory named with --control-files; over a Unix socket of the same user any path may be used", path)
}

// mayUse returns an error unless a command may name the path for the process to write to, to listen on or to connect to from now on: a file, or nothing yet in a directory that is there.
func (e *edit) mayUse(path string) error {
	if e.origin == Trusted {
		return nil
	}
	t, rel, err := e.in.enter(path, e.origin)
	if err != nil {
		return err
	}
	defer t.Close()
	info, err := t.Stat(rel) // an error, too, if a symbolic link leads out of the tree
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = t.Stat(filepath.Dir(rel))
		return err
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("use %s: it is a directory", path)
	}
	return nil
}

// read returns the content of a file of commands.
func (in *Interpreter) read(path string, origin Origin) ([]byte, error) {
	t, rel, err := in.enter(path, origin)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	file, err := t.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe without a writer does not hold up the language
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || origin != Trusted && !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("read %s: it is no regular file", path))
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("read %s: it is longer than %d bytes", path, maxFile)
	}
	return content, err
}

// replace makes content the content of the file. What was there before stays until the new content is safely on disk;
// only what is no regular file, or stands in a directory that may not be written to, is written in place.
func (in *Interpreter) replace(path string, origin Origin, content []byte) error {
	t, rel, err := in.enter(path, origin)
	if err != nil {
		return err
	}
	defer t.Close()
	if in.cfg.Try {
		return nil
	}
	info, err := t.Lstat(rel)
	perm := fs.FileMode(0o644)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return overwrite(t, rel, content)
	case err == nil:
		perm = info.Mode().Perm()
	}
	fresh := rel + "." + rand.Text()
	file, err := t.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return overwrite(t, rel, content)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(perm), file.Sync(), file.Close())
	if err == nil {
		err = t.Rename(fresh, rel)
	}
	if err != nil {
		err = errors.Join(err, t.Remove(fresh))
	}
	return err
}

// overwrite writes in place. A pipe that nobody reads is an error and not a wait.
func overwrite(t tree, name string, content []byte) error {
	file, err := t.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}
