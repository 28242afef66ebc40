package deploy

import (
	"context"
	"strconv"
	"sync"

	"llama9/mnt"
	"llama9/styxfs"
)

// A Cluster is the coordinator, by its files.
type Cluster struct {
	Addr string // where it is served

	mu sync.Mutex // guards below
	fs *mnt.Fsys
}

// dial gives its tree. One connection serves until it is lost.
func (c *Cluster) dial(ctx context.Context) (*mnt.Fsys, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fs != nil {
		select {
		case <-c.fs.Conn().Done():
			c.fs = nil
		default:
			return c.fs, nil
		}
	}
	fs, err := mnt.Dial(ctx, c.Addr, mnt.Options{})
	if err == nil {
		c.fs = fs
	}
	return fs, err
}

// Close ends the use of the coordinator.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fs != nil {
		c.fs.Close()
		c.fs = nil
	}
}

// Ctl writes lines to its ctl: all are obeyed or none.
func (c *Cluster) Ctl(ctx context.Context, lines ...[]string) error {
	fs, err := c.dial(ctx)
	if err != nil {
		return err
	}
	var b []byte
	for _, l := range lines {
		b = append(styxfs.AppendFields(b, l...), '\n')
	}
	return fs.WriteFile(ctx, "ctl", b)
}

// Inflight says how many turns of the coordinator are at a node; 0 for one
// that is not mounted.
func (c *Cluster) Inflight(ctx context.Context, name string) (int, error) {
	fs, err := c.dial(ctx)
	if err != nil {
		return 0, err
	}
	records, err := readRecords(ctx, fs, "node/index")
	for _, attrs := range records {
		if styxfs.FindAttr(attrs, "name") == name {
			return strconv.Atoi(styxfs.FindAttr(attrs, "inflight"))
		}
	}
	return 0, err
}

// Load gives the turns that run and that wait.
func (c *Cluster) Load(ctx context.Context) (busy, queue int, err error) {
	fs, err := c.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	records, err := readRecords(ctx, fs, "status")
	if err != nil || len(records) == 0 {
		return 0, 0, err
	}
	return number(records[0], "busy"), number(records[0], "queue"), nil
}

// readRecords reads a file of lines of attr=value.
func readRecords(ctx context.Context, fs *mnt.Fsys, path string) ([][]styxfs.Attr, error) {
	b, err := fs.ReadFile(ctx, path)
	if err != nil {
		return nil, err
	}
	return parseRecords(string(b))
}

func number(attrs []styxfs.Attr, name string) int {
	n, _ := strconv.Atoi(styxfs.FindAttr(attrs, name)) // what is no number is none
	return n
}
