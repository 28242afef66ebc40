package mnt

import (
	"context"
	"net"
	"time"

	"llama9/ninep"
)

// Dial connects to a server, "tcp!host!port", "unix!/path" or "host:port", and
// attaches as o says. ctx is for that only. Closing the tree ends the
// connection.
func Dial(ctx context.Context, addr string, o Options) (*Fsys, error) {
	c, err := DialConn(ctx, addr, o)
	if err != nil {
		return nil, err
	}
	fs, err := c.Attach(ctx, o.Uname, o.Aname)
	if err != nil {
		c.Close()
		return nil, err
	}
	fs.owns = true
	return fs, nil
}

// DialConn connects to a server and does not attach yet.
func DialConn(ctx context.Context, addr string, o Options) (*Conn, error) {
	network, address, err := ninep.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	gone := o.PeerTimeout
	if gone == 0 {
		gone = time.Minute
	}
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		// Of an idle connection the last of three questions is about gone old.
		Enable: true, Idle: gone / 2, Interval: max(gone/6, time.Second), Count: 3,
	}}
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tc, ok := nc.(*net.TCPConn); ok {
		ninep.SetUserTimeout(tc, gone)
	}
	return NewConn(ctx, nc, o)
}
