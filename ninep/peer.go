package ninep

import "net"

// A peer is who is at the other end of a connection, as far as is known.
type peer struct {
	addr  string
	user  string
	known bool
}

// peerOf asks the transport. One of its own may have a method PeerUser, which
// says who the user is, or that it does not know.
func peerOf(rw any) peer {
	var p peer
	if conn, ok := rw.(net.Conn); ok && conn.RemoteAddr() != nil {
		p.addr = conn.RemoteAddr().String()
	}
	switch t := rw.(type) {
	case interface{ PeerUser() (string, bool) }:
		p.user, p.known = t.PeerUser()
	case *net.UnixConn:
		if uid, ok := peerUid(t); ok {
			p.user, p.known = loginName(uid), true
		}
		p.addr = "unix"
		if p.known {
			p.addr += " " + p.user
		}
	}
	return p
}
