//go:build !unix

package deploy

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }
