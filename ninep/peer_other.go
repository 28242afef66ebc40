//go:build !linux

package ninep

import "net"

// peerUid does not know the user here: who attaches says who it is.
func peerUid(*net.UnixConn) (uid uint32, ok bool) { return 0, false }
