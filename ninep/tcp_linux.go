package ninep

import (
	"net"
	"syscall"
	"time"
)

// SetUserTimeout sets how long sent data may go without an acknowledgement
// before the connection is lost: TCP_USER_TIMEOUT, see tcp(7). Where there is
// none it does nothing: a connection works without.
func SetUserTimeout(conn *net.TCPConn, d time.Duration) {
	const tcpUserTimeout = 18
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
		})
	}
}
