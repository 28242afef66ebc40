package ninep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// ListenOptions say how Listen listens.
type ListenOptions struct {
	// Insecure lets it listen beyond loopback: whoever can reach the port is
	// then served, under any name.
	Insecure bool
	// Mode is that of a Unix socket; 0 is 0600. Who may write to it may
	// connect.
	Mode fs.FileMode
}

// Listen listens at addr; see ParseAddr. A Unix socket that is there already
// is replaced if nobody listens at it, and goes away with the listener.
func Listen(ctx context.Context, addr string, o ListenOptions) (net.Listener, error) {
	network, address, err := ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		return listenUnix(ctx, address, o.Mode)
	}
	if !o.Insecure {
		if err := onlyLoopback(ctx, address); err != nil {
			return nil, err
		}
	}
	ln, err := keepAlive().Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return tcpListener{ln.(*net.TCPListener)}, nil
}

func keepAlive() *net.ListenConfig {
	return &net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3,
	}}
}

// A tcpListener sets on its connections how long sent data may go without an
// acknowledgement: a peer that is gone is noticed while it is answered, too.
type tcpListener struct{ *net.TCPListener }

func (ln tcpListener) Accept() (net.Conn, error) {
	conn, err := ln.AcceptTCP()
	if err != nil {
		return nil, err
	}
	SetUserTimeout(conn, time.Minute)
	return conn, nil
}

// onlyLoopback refuses an address that others can reach.
func onlyLoopback(ctx context.Context, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	refused := fmt.Errorf("%s can be reached from other machines: say so with --insecure, or listen at 127.0.0.1", address)
	if host == "" {
		return refused
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		if !ip.IP.IsLoopback() {
			return refused
		}
	}
	return nil
}

func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if mode == 0 {
		mode = 0o600
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: socketMode(mode)}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil { // beyond what the umask left
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// removeStale removes the socket at path if nobody listens at it: a server
// that was killed leaves one behind. Nothing else is ever removed.
func removeStale(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s: another server listens there", path)
	}
	if !refusedDial(err) {
		return err
	}
	return os.Remove(path)
}
