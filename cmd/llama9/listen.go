package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"

	"github.com/spf13/pflag"

	"llama9/ninep"
)

// listenFlags say where a node is served.
type listenFlags struct {
	addrs    []string
	srv      string
	stdio    bool
	insecure bool
	mode     string
}

func (l *listenFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&l.addrs, "listen", nil, "`address` to listen at: tcp!host!port, unix!/path or host:port; may be given again\n(default, without --srv and --stdio: "+ninep.DefaultAddr+")")
	f.BoolVar(&l.insecure, "insecure", false, "listen beyond this machine too, where anyone who reaches the port is served")
	f.StringVar(&l.srv, "srv", "", "post the tree as `name` in plan9port's name space")
	f.BoolVar(&l.stdio, "stdio", false, "serve one connection on the standard input and output, and end with it")
	f.StringVar(&l.mode, "socket-mode", "0600", "permissions of Unix sockets, in `octal`: who may write may connect")
}

// listen opens all listeners, or none.
func (l *listenFlags) listen(ctx context.Context) (lns []net.Listener, err error) {
	mode, err := strconv.ParseUint(l.mode, 8, 9)
	if err != nil || mode == 0 {
		return nil, fmt.Errorf("--socket-mode %s: want an octal number, as 0660", l.mode)
	}
	o := ninep.ListenOptions{Insecure: l.insecure, Mode: fs.FileMode(mode)}
	defer func() {
		if err != nil {
			closeAll(lns)
			lns = nil
		}
	}()
	open := func(flag, value, addr string) error {
		ln, err := ninep.Listen(ctx, addr, o)
		if err != nil {
			return fmt.Errorf("--%s %s: %w", flag, value, err)
		}
		lns = append(lns, ln)
		return nil
	}
	addrs := l.addrs
	if len(addrs) == 0 && l.srv == "" && !l.stdio {
		addrs = []string{ninep.DefaultAddr}
	}
	for _, a := range addrs {
		if err := open("listen", a, a); err != nil {
			return lns, err
		}
	}
	if l.srv != "" {
		addr, err := ninep.SrvAddr(l.srv)
		if err != nil {
			return lns, fmt.Errorf("--srv %s: %w", l.srv, err)
		}
		if err := open("srv", l.srv, addr); err != nil {
			return lns, err
		}
	}
	return lns, nil
}

func closeAll(lns []net.Listener) error {
	var errs []error
	for _, ln := range lns {
		errs = append(errs, ln.Close())
	}
	return errors.Join(errs...)
}

// addrString writes an address as flags take it.
func addrString(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return fmt.Sprintf("tcp!%s!%d", t.IP, t.Port)
	}
	return a.Network() + "!" + a.String()
}
