//go:build linux && amd64 && !race

package kernel

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// TestMain makes this program, in a machine, one that measures: KERNEL_TEST
// says what.
func TestMain(m *testing.M) {
	what, ok := os.LookupEnv("KERNEL_TEST")
	if !ok {
		os.Exit(m.Run())
	}
	if err := guest(strings.Fields(what)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// guest measures what a benchmark asks for: WHAT TRANSPORT MSIZE [PACE].
func guest(f []string) error {
	if f[0] == "cat" {
		return catSocket(f[1], f[2])
	}
	h, err := newHost(f[1], f[2])
	if err != nil {
		return err
	}
	defer h.close()
	switch f[0] {
	case "token":
		return measure(h.token)
	case "tokens":
		pace, err := time.ParseDuration(f[3])
		if err != nil {
			return err
		}
		return measure(func(client string) (float64, error) { return h.rate(client, pace) })
	case "out":
		if err := h.fill(); err != nil {
			return err
		}
		return measure(h.copied)
	}
	return fmt.Errorf("%s: not known", f[0])
}

// rounds are how often each client is measured.
const rounds = 5

// clients are what reads: cat or dd over the mount, and a program of package
// mnt.
var clients = []string{"mount", "socket"}

// measure prints what f gives of the clients, in turn.
func measure(f func(client string) (float64, error)) error {
	for range rounds {
		for _, client := range clients {
			v, err := f(client)
			if err != nil {
				return fmt.Errorf("%s: %w", client, err)
			}
			fmt.Println(client, v)
		}
	}
	return nil
}

// catSocket is a cat by our own client, which says how long it took as dd does.
func catSocket(addr, msize string) error {
	n, err := strconv.ParseUint(msize, 10, 32)
	if err != nil {
		return err
	}
	fs, err := mnt.Dial(context.Background(), addr, mnt.Options{Msize: uint32(n)})
	if err != nil {
		return err
	}
	defer fs.Close()
	began := time.Now()
	f, err := fs.Open(context.Background(), "infer/last/out", ninep.OREAD)
	if err != nil {
		return err
	}
	// Neither side knows a better way than a buffer of this size.
	out := struct{ io.Writer }{os.Stdout}
	in := struct{ io.Reader }{f.WithContext(context.Background())}
	size, err := io.CopyBuffer(out, in, make([]byte, 1<<20))
	fmt.Fprintf(os.Stderr, "%d bytes copied, %f s,\n", size, time.Since(began).Seconds())
	return err
}
