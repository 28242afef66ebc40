//go:build unix

package main

import "syscall"

// ownSession makes a process that no terminal ends.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
