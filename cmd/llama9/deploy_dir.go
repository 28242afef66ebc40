package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"llama9/deploy"
)

func deployConfig(file string) (*deploy.Config, error) {
	if file == "" {
		return deploy.Default(), nil
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return deploy.Read(abs)
}

func deployDir(name string) string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "llama9", name)
	}
	return filepath.Join(os.TempDir(), "llama9-"+strconv.Itoa(os.Getuid()), name)
}

func deploySocket(name string) string { return "unix!" + filepath.Join(deployDir(name), "deploy.sock") }

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
