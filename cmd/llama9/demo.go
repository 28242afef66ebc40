package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"llama9/model"
)

// demoFile gives the demo model as a file, for the engine reads no memory:
// in the user's cache, where it stays, else in a temporary directory, which
// remove takes away.
func demoFile() (file string, remove func(), err error) {
	name := "demo-" + model.DemoSHA256[:12] + ".gguf"
	if dir, err := os.UserCacheDir(); err == nil {
		if file, err := writeDemo(filepath.Join(dir, "llama9"), name); err == nil {
			return file, func() {}, nil
		}
	}
	dir, err := os.MkdirTemp("", "llama9-")
	if err == nil {
		file, err = writeDemo(dir, name)
	}
	if err != nil {
		return "", nil, fmt.Errorf("no place for the demo model: %w; set XDG_CACHE_HOME, or name a model with -m", err)
	}
	return file, func() { os.RemoveAll(dir) }, nil
}

// writeDemo writes the demo model in one rename, if it is not there whole.
func writeDemo(dir, name string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, model.Demo) {
		return file, nil
	}
	tmp, err := os.CreateTemp(dir, name)
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(model.Demo)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return "", err
	}
	return file, os.Rename(tmp.Name(), file)
}

// unwrapPath is err without the operation and the path, which the message has
// already.
func unwrapPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
