package process

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Place is what a process gives up and where it leaves its mark: all of it optional.
type Place struct {
	User    string // to become
	Chroot  string // to be the root directory
	PidFile string // inside the jail
}

// Take does it in Pen's order: it looks the user up, enters the jail, becomes the user, runs inside, for what has to be opened there, and writes the pid file. The file is the caller's to remove; nil if none was asked for.
// After an error the process may have done part of it and must end.
func (p Place) Take(inside func() error) (*PidFile, error) {
	user, err := p.user()
	if err != nil {
		return nil, err
	}
	if err := Drop(user, p.Chroot); err != nil {
		return nil, err
	}
	if err := inside(); err != nil {
		return nil, err
	}
	if p.PidFile == "" {
		return nil, nil
	}
	return WritePidFile(p.PidFile)
}

// Check finds out, without doing any of it, what of Take can be known to be refused: a user and directories that are not there. Whether the user has the rights is seen only by who takes his place.
// The error is that of Take.
func (p Place) Check() error {
	if _, err := p.user(); err != nil {
		return err
	}
	if p.Chroot != "" {
		if err := isDirectory(p.Chroot); err != nil {
			return fmt.Errorf("change root to %s: %w", p.Chroot, err)
		}
	}
	if p.PidFile != "" {
		if err := isDirectory(filepath.Join(p.Chroot, filepath.Dir(p.PidFile))); err != nil {
			return fmt.Errorf("write pid file %s: %w", p.PidFile, err)
		}
	}
	return nil
}

// user is whom to become, nil for nobody else.
func (p Place) user() (*User, error) {
	if p.User == "" {
		return nil, nil
	}
	return LookupUser(p.User)
}

func isDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return bare(err)
	case !info.IsDir():
		return syscall.ENOTDIR
	}
	return nil
}
