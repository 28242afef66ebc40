//go:build linux && amd64 && !race

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A host serves, in the machine itself, answers whose tokens it is sent, to a
// mount and to our client.
type host struct {
	made  chan string // "" is the answer's end
	addr  string
	msize string
	fs    *mnt.Fsys // begins the turns
	stop  func()
}

// Generate implements styxfs.Backend.
func (h *host) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	sink.State(styxfs.Decode)
	for {
		select {
		case t := <-h.made:
			if t == "" {
				return styxfs.Outcome{}, nil
			}
			sink.Token(styxfs.Token{ID: 1, Text: t})
		case <-ctx.Done():
			return styxfs.Outcome{}, context.Cause(ctx)
		}
	}
}

func (h *host) Models(context.Context) []styxfs.Model { return nil }
func (h *host) Ctl(context.Context, [][]string) error { return nil }
func (h *host) Settings() [][]string                  { return nil }
func (h *host) Status() []styxfs.Attr                 { return nil }

const (
	socket  = "/tmp/measured"
	mounted = "/n/measured"
)

// newHost serves and mounts.
func newHost(transport, msize string) (*host, error) {
	h := &host{made: make(chan string), addr: "unix!" + socket, msize: msize}
	if transport == "tcp" {
		h.addr = "tcp!127.0.0.1!5641"
	}
	tree, err := styxfs.New(styxfs.Config{Backend: h, Version: "test"})
	if err != nil {
		return nil, err
	}
	ln, err := ninep.Listen(context.Background(), h.addr, ninep.ListenOptions{Mode: 0o600})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&ninep.Server{FS: tree}).Serve(ctx, ln) }()
	h.stop = func() {
		cancel()
		<-done
	}
	if h.fs, err = mnt.Dial(ctx, h.addr, mnt.Options{}); err == nil {
		err = h.mount(transport)
	}
	if err != nil {
		h.stop()
		return nil, fmt.Errorf("mount %s: %w", transport, err)
	}
	return h, nil
}

// mount mounts by the kernel's client.
func (h *host) mount(transport string) error {
	source, trans := "127.0.0.1", "trans=tcp,port=5641"
	switch transport {
	case "unix":
		source, trans = socket, "trans=unix"
	case "fd":
		c, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		defer c.Close()
		f, err := c.(*net.UnixConn).File()
		if err != nil {
			return err
		}
		defer f.Close()
		source, trans = "fd", fmt.Sprintf("trans=fd,rfdno=%d,wfdno=%[1]d", f.Fd())
	}
	if err := os.MkdirAll(mounted, 0o755); err != nil {
		return err
	}
	return unix.Mount(source, mounted, "9p", 0, trans+",version=9p2000.L,cache=none,uname=root,msize="+h.msize)
}

func (h *host) close() {
	unix.Unmount(mounted, 0)
	h.fs.Close()
	h.stop()
}

// A reader is a client that reads the newest answer.
type reader struct {
	*exec.Cmd
	out  io.ReadCloser
	said bytes.Buffer
}

// client is the command of a client; mount is that of one that reads the mount.
func (h *host) client(client string, mount ...string) *exec.Cmd {
	if client == "mount" {
		return exec.Command(mount[0], mount[1:]...)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "KERNEL_TEST=cat "+h.addr+" "+h.msize)
	return cmd
}

// end waits for the end of the answer, after n more bytes.
func (r *reader) end(n int64) error {
	got, err := io.Copy(io.Discard, r.out)
	if err == nil && got != n {
		err = fmt.Errorf("%d bytes, want %d", got, n)
	}
	if err = errors.Join(err, r.Wait()); err != nil {
		return fmt.Errorf("%w\n%s", err, &r.said)
	}
	return nil
}

// begin begins a turn, starts a client on its answer and waits until that has
// printed a token.
func (h *host) begin(client string) (*reader, error) {
	if err := h.fs.WriteFile(context.Background(), "infer/new", []byte("go")); err != nil {
		return nil, err
	}
	r := &reader{Cmd: h.client(client, "cat", mounted+"/infer/last/out")}
	r.Stderr = &r.said
	var err error
	if r.out, err = r.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := r.Start(); err != nil {
		return nil, err
	}
	h.made <- word
	_, err = io.ReadFull(r.out, make([]byte, len(word)))
	return r, err
}

// word is a token.
const word = "a token"

// token gives the median of the microseconds from a token's being made to its
// being printed.
func (h *host) token(client string) (float64, error) {
	r, err := h.begin(client)
	if err != nil {
		return 0, err
	}
	var all []time.Duration
	buf := make([]byte, len(word))
	for range 100 {
		began := time.Now()
		h.made <- word
		if _, err := io.ReadFull(r.out, buf); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	h.made <- ""
	slices.Sort(all)
	return float64(all[len(all)/2].Nanoseconds()) / 1000, r.end(0)
}

// rate gives the tokens a second of an answer that gets one each pace, or as
// fast as they can be made.
func (h *host) rate(client string, pace time.Duration) (float64, error) {
	r, err := h.begin(client)
	if err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	n := 20000
	tick := time.NewTicker(max(pace, 1))
	defer tick.Stop()
	if pace > 0 {
		n = int(4 * time.Second / pace)
	}
	go func() { ended <- r.end(int64(n * len(word))) }()
	began := time.Now()
	for range n {
		if pace > 0 {
			<-tick.C
		}
		h.made <- word
	}
	h.made <- ""
	err = <-ended
	return float64(n) / time.Since(began).Seconds(), err
}

// answer is the length of a large one.
const answer = 4 << 20

// fill makes a large answer.
func (h *host) fill() error {
	if err := h.fs.WriteFile(context.Background(), "infer/new", []byte("go")); err != nil {
		return err
	}
	chunk := strings.Repeat("0123456789abcdef", 1<<12)
	for range answer / len(chunk) {
		h.made <- chunk
	}
	h.made <- ""
	b, err := h.fs.ReadFile(context.Background(), "infer/last/out")
	if err == nil && len(b) != answer {
		err = fmt.Errorf("the answer has %d bytes", len(b))
	}
	return err
}

var took = regexp.MustCompile(`^([0-9]+) bytes .*copied, ([0-9.e-]+) s,`)

// copied gives the MiB a second of a copy of the large answer to /dev/null, by
// what the client itself says of it.
func (h *host) copied(client string) (float64, error) {
	cmd := h.client(client, "dd", "bs=1M", "if="+mounted+"/infer/last/out", "of=/dev/null")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, &said)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	m := took.FindStringSubmatch(lines[len(lines)-1])
	if m == nil || m[1] != fmt.Sprint(answer) {
		return 0, fmt.Errorf("it said %q", &said)
	}
	s, err := strconv.ParseFloat(m[2], 64)
	return answer / s / (1 << 20), err
}
