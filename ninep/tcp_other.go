//go:build !linux

package ninep

import (
	"net"
	"time"
)

// setUserTimeout has nothing to set here.
func setUserTimeout(*net.TCPConn, time.Duration) {}
