package ninep

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// DefaultAddr is where a server listens and a client dials if nothing else is
// said.
const DefaultAddr = "tcp!127.0.0.1!5640"

// DefaultPort is the port of an address that names none.
const DefaultPort = "5640"

// ParseAddr takes an address apart for net.Dial and net.Listen: tcp!host!port,
// tcp!host, unix!/path, host:port, host, or an absolute path; "" is
// DefaultAddr. The host "*" is all addresses of this machine, and "net" stands
// for tcp. See dial(2) of Plan 9.
func ParseAddr(addr string) (network, address string, err error) {
	if addr == "" {
		addr = DefaultAddr
	}
	if strings.HasPrefix(addr, "/") {
		return "unix", addr, nil
	}
	network, rest, bang := strings.Cut(addr, "!")
	if !bang {
		if host, port, err := net.SplitHostPort(addr); err == nil {
			return "tcp", net.JoinHostPort(star(host), orDefault(port)), nil
		}
		host := strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
		if strings.ContainsAny(host, "[]/ ") || strings.Count(host, ":") == 1 {
			return "", "", fmt.Errorf("bad address %q: want tcp!host!port, unix!/path or host:port", addr)
		}
		return "tcp", net.JoinHostPort(star(host), DefaultPort), nil
	}
	switch network {
	case "unix":
		if rest == "" {
			return "", "", fmt.Errorf("bad address %q: no path", addr)
		}
		return "unix", rest, nil
	case "tcp", "net":
		host, port, _ := strings.Cut(rest, "!")
		if host == "" || strings.Contains(port, "!") {
			return "", "", fmt.Errorf("bad address %q: want tcp!host!port", addr)
		}
		return "tcp", net.JoinHostPort(star(host), orDefault(port)), nil
	}
	return "", "", fmt.Errorf("bad address %q: unknown network %q", addr, network)
}

func star(host string) string {
	if host == "*" {
		return ""
	}
	return host
}

func orDefault(port string) string {
	if port == "" {
		return DefaultPort
	}
	return port
}

// SrvAddr is the address at which plan9port's programs look for the service
// called name: a socket of that name in the name space directory.
func SrvAddr(name string) (string, error) {
	if !goodName(name) {
		return "", fmt.Errorf("bad service name %q", name)
	}
	dir, err := Namespace()
	if err != nil {
		return "", err
	}
	return "unix!" + filepath.Join(dir, name), nil
}

// Namespace is the directory of plan9port's services: $NAMESPACE, or else
// /tmp/ns.$USER.$DISPLAY, which it makes if it is not there. Nobody else may
// own it or write in it. No $DISPLAY counts as ":0". See intro(4) of
// plan9port.
func Namespace() (string, error) {
	if dir := os.Getenv("NAMESPACE"); dir != "" {
		return dir, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("$NAMESPACE is not set, and no user name: %w", err)
	}
	dir := "/tmp/ns." + u.Username + "." + canonDisplay(os.Getenv("DISPLAY"))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !fi.IsDir() || fi.Mode().Perm() != 0o700 || !ownedByUs(fi) {
		return "", fmt.Errorf("bad name space directory %s: not ours alone", dir)
	}
	return dir, nil
}

// canonDisplay makes of $DISPLAY what plan9port makes of it: the screen 0 is
// left out, and slashes give way.
func canonDisplay(d string) string {
	if d == "" {
		return ":0"
	}
	if i := strings.LastIndexByte(d, ':'); i >= 0 {
		if num, ok := strings.CutSuffix(d[i+1:], ".0"); ok && strings.Trim(num, "0123456789") == "" {
			d = d[:i+1] + num
		}
	}
	return strings.ReplaceAll(d, "/", "_")
}
