//go:build !linux

package ninep

import (
	"net"
	"time"
)

// SetUserTimeout has nothing to set here: a connection works without.
func SetUserTimeout(*net.TCPConn, time.Duration) {}
