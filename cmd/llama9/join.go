package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// joinFlags say which coordinator a node registers at, and as what.
type joinFlags struct {
	coord     string
	name      string
	advertise string
	weight    float64
	keyFile   string
}

func (j *joinFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&j.coord, "join", "", "`address` of a coordinator to register at, for as long as this runs")
	f.StringVar(&j.name, "name", "", "what the coordinator calls this node (default: the host, and the port if it is not 5640)")
	f.StringVar(&j.advertise, "advertise", "", "`address` that the coordinator is told (default: the first that is listened at)")
	f.Float64Var(&j.weight, "weight", 1, "how many turns to get beside other nodes")
	f.StringVar(&j.keyFile, "join-key", "", "`file` with the key that the coordinator wants of nodes")
}

// join gives the work that keeps the node registered; it does nothing without
// --join.
func (j *joinFlags) join(lns []net.Listener, log *slog.Logger) (func(context.Context) error, error) {
	if j.coord == "" {
		if j.name != "" || j.advertise != "" || j.keyFile != "" {
			return nil, errors.New("--name, --advertise and --join-key are for --join")
		}
		return func(context.Context) error { return nil }, nil
	}
	if _, _, err := ninep.ParseAddr(j.coord); err != nil {
		return nil, fmt.Errorf("--join: %w", err)
	}
	addr := j.advertise
	if addr == "" {
		if len(lns) == 0 {
			return nil, errors.New("--join: this node listens nowhere; say where it is reached with --advertise")
		}
		addr = reachable(lns[0].Addr())
	}
	if _, _, err := ninep.ParseAddr(addr); err != nil {
		return nil, fmt.Errorf("--advertise: %w", err)
	}
	words := []string{cmp.Or(j.name, ownName(addr)), addr, "weight=" + strconv.FormatFloat(j.weight, 'g', -1, 64)}
	key, err := readKey(j.keyFile)
	if err != nil {
		return nil, err
	}
	if key != "" {
		words = append(words, "key="+key)
	}
	line := append(styxfs.AppendFields(nil, words...), '\n')
	return func(ctx context.Context) error { return j.keep(ctx, line, log) }, nil
}

// readKey reads a key, the first line of a file; "" without a file.
func readKey(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--join-key: %w", err)
	}
	key, _, _ := strings.Cut(string(b), "\n")
	if key = strings.TrimSpace(key); key == "" {
		return "", fmt.Errorf("--join-key %s: no key in it", file)
	}
	return key, nil
}

// reachable writes an address that is listened at as others reach it: one of
// every interface is that of this host's name.
func reachable(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return addrString(a)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("tcp!%s!%d", host, t.Port)
}

// ownName is what a node at addr is called that was given no name.
func ownName(addr string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	if p, ok := strings.CutPrefix(addr, "unix!"); ok {
		return host + "-" + path.Base(p)
	}
	if i := strings.LastIndexAny(addr, "!:"); i >= 0 && addr[i+1:] != "5640" {
		return host + "-" + addr[i+1:]
	}
	return host
}

// Registering again after a loss: at first, and at most, after so long.
const (
	leastRejoin = 200 * time.Millisecond
	mostRejoin  = 10 * time.Second
)

// keep registers, and again when the coordinator was lost, until ctx is done.
func (j *joinFlags) keep(ctx context.Context, line []byte, log *slog.Logger) error {
	wait, said := leastRejoin, ""
	for ctx.Err() == nil {
		joined, err := j.once(ctx, line, log)
		if ctx.Err() != nil {
			return nil
		}
		if joined {
			wait, said = leastRejoin, ""
		}
		if err.Error() != said { // said once
			said = err.Error()
			log.Warn("join", "coordinator", j.coord, "err", err)
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
		}
		wait = min(2*wait, mostRejoin)
	}
	return nil
}

// once registers and waits for the end of it. The entry lives as long as the
// file is open.
func (j *joinFlags) once(ctx context.Context, line []byte, log *slog.Logger) (joined bool, err error) {
	dial, cancel := context.WithTimeout(ctx, mostRejoin)
	defer cancel()
	fs, err := mnt.Dial(dial, j.coord, mnt.Options{})
	if err != nil {
		return false, err
	}
	defer fs.Close()
	f, err := fs.Open(dial, "node/new", ninep.ORDWR)
	if err != nil {
		return false, fmt.Errorf("node/new: %w", err)
	}
	if _, err := f.Write(dial, line); err != nil {
		return false, fmt.Errorf("node/new: %w", err)
	}
	buf := make([]byte, 256)
	n, err := f.Read(dial, buf)
	if err != nil {
		return false, fmt.Errorf("node/new: %w", err)
	}
	log.Info("joined", "coordinator", j.coord, "name", strings.TrimSpace(string(buf[:n])))
	select {
	case <-fs.Conn().Done():
		return true, fs.Conn().Err()
	case <-ctx.Done():
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		f.Close(bye) // or the end of the connection says it
		return true, nil
	}
}
