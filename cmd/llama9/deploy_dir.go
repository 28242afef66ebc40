package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"llama9/deploy"
)

// deployConfig reads a configuration, or gives that of no file.
func deployConfig(file string) (*deploy.Config, error) {
	if file == "" {
		c := deploy.Default()
		c.Engine = defaultEngine
		return c, nil
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return deploy.Read(abs)
}

// deployDir is the directory of a deployment's sockets and lock.
func deployDir(name string) string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "llama9", name)
	}
	return filepath.Join(os.TempDir(), "llama9-"+strconv.Itoa(os.Getuid()), name)
}

// deploySocket is the address of a deployment for who knows its name.
func deploySocket(name string) string { return "unix!" + filepath.Join(deployDir(name), "deploy.sock") }

// deployState is the directory of what a deployment keeps: logs and journal.
func deployState(name string) (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%w, nor XDG_STATE_HOME", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "llama9", name), nil
}
