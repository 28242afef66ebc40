//go:build !unix

package ninep

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// ownedByUs cannot be told here.
func ownedByUs(fs.FileInfo) bool { return true }

// refusedDial says whether err means that nobody listens.
func refusedDial(err error) bool { return strings.Contains(err.Error(), "refused") }

// resetConn says whether err means that the client went without reading all.
func resetConn(err error) bool { return strings.Contains(err.Error(), "reset") }

// socketMode has nothing to do here.
func socketMode(fs.FileMode) func(string, string, syscall.RawConn) error { return nil }

// pollable has nothing to do here.
func pollable(f *os.File) *os.File { return f }
