package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PidFile is a file that holds this process's id while it runs.
type PidFile struct {
	// constant after WritePidFile
	path string
}

// WritePidFile writes the process id in bare digits, without a line's end, as Pen does. A file that a dead process left there is replaced; so is that of a living one,
// since it is the port, not the pid file, that two processes cannot share. A reader sees the old file or the new one, unless only the file may be written and not its directory.
// Whatever is not a regular file (/dev/null, a link laid out for root to follow) is left alone. The error reads `write pid file /x: permission denied`.
func WritePidFile(path string) (*PidFile, error) {
	if err := writePid(path); err != nil {
		return nil, fmt.Errorf("write pid file %s: %w", path, bare(err))
	}
	return &PidFile{path: path}, nil
}

func writePid(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	err := replaceFile(path, pidText())
	if errors.Is(err, fs.ErrPermission) {
		// The operator may have made the file for a user that may not write in its directory.
		if file, openErr := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0); openErr == nil {
			return writeAndClose(file, pidText())
		}
	}
	return err
}

// replaceFile writes beside path and moves the result there.
func replaceFile(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = file.Chmod(0o644)
	if written := writeAndClose(file, text); err == nil {
		err = written
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// writeAndClose takes ownership of file.
func writeAndClose(file *os.File, text string) error {
	_, err := file.WriteString(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// Remove takes the file away if it still is ours: another process may have written its own id there since.
func (p *PidFile) Remove() error {
	if p == nil {
		return nil
	}
	text, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && strings.TrimSpace(string(text)) != pidText() {
		return nil
	}
	if err == nil {
		err = os.Remove(p.path)
	}
	if err != nil {
		return fmt.Errorf("remove pid file %s: %w", p.path, bare(err))
	}
	return nil
}

func pidText() string { return strconv.Itoa(os.Getpid()) }

// bare takes the operation and the file off an error whose text names them in our own words.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
