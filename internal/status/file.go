package status

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes the page to a file of mode 0644. A reader sees the old page or the new one, never half of one: the page is written beside the file
// and renamed over it; a symbolic link stays, and what it points to is replaced. Anything but a regular file is refused.
//
// A user who may write the file and not its directory, as Pen's often was, has the file overwritten in place.
func (p *Page) WriteFile(path string) error {
	if err := p.replace(path); err != nil {
		return fmt.Errorf("write status page %s: %w", path, err)
	}
	return nil
}

func (p *Page) replace(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target = path
	} else if err != nil {
		return err
	}
	info, err := os.Stat(target)
	exists := err == nil
	if exists && !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if exists && errors.Is(err, fs.ErrPermission) {
		f, err = os.OpenFile(target, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		_, err = p.WriteTo(f)
		return errors.Join(err, f.Close())
	}
	if err != nil {
		return err
	}
	_, err = p.WriteTo(f)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
