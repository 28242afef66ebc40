package mnt

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// A peer whose machine is gone is noticed: by data that nobody acknowledges,
// and by questions where there is none.
func TestPeerTimeout(t *testing.T) {
	for _, gone := range []time.Duration{0, 12 * time.Second} {
		fs := serveTree(t, dir("/"), Options{PeerTimeout: gone})
		want := 60000
		if gone > 0 {
			want = 12000
		}
		raw, err := fs.Conn().rwc.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		get := func(level, name int) (v int) {
			raw.Control(func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), level, name) })
			if err != nil {
				t.Error(err)
			}
			return v
		}
		const tcpUserTimeout = 18
		if got := get(syscall.IPPROTO_TCP, tcpUserTimeout); got != want {
			t.Errorf("TCP_USER_TIMEOUT %d, want %d", got, want)
		}
		if get(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) == 0 {
			t.Error("no SO_KEEPALIVE")
		}
		idle, each, times := get(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), get(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), get(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
		if sum := 1000 * (idle + each*times); sum != want {
			t.Errorf("idle %ds, %d times %ds", idle, times, each)
		}
	}
}
