package coord

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// discoverEvery is how often a name is looked up.
const discoverEvery = 10 * time.Second

// Discover keeps the nodes mounted that the SRV records of name point to,
// until ctx is done: see RFC 2782. Kubernetes, Consul and Nomad have such names.
// A node is called as its host, with the port behind it unless that is 9P's
// usual one here. While the lookup fails all stays as it is. lookup is
// net.Resolver's LookupSRV.
func (c *Coord) Discover(ctx context.Context, name string, lookup func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)) error {
	t := time.NewTicker(discoverEvery)
	defer t.Stop()
	failed := ""
	for {
		_, found, err := lookup(ctx, "", "", name)
		if err == nil {
			err = c.found("srv:"+name, found)
		}
		switch {
		case err == nil:
			failed = ""
		case ctx.Err() == nil && err.Error() != failed: // said once
			failed = err.Error()
			c.log.Warn("discover", "name", name, "err", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// found mounts the nodes of records, and unmounts those that source had before
// and has no more.
func (c *Coord) found(source string, records []*net.SRV) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	var first error
	have := make(map[string]bool)
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		name, port := host, strconv.Itoa(int(r.Port))
		if port != "5640" {
			name += "-" + port
		}
		have[name] = true
		weight := float64(max(r.Weight, 1)) // 0 is "no matter" in RFC 2782
		addr := "tcp!" + host + "!" + port
		if m := c.members[name]; m != nil {
			switch {
			case m.n.source == source:
				m.n.weight = min(weight, mostWeight)
				c.cluster.refresh(m.n)
			default:
				first = cmp.Or(first, fmt.Errorf("%s: in use", clip(name)))
			}
			continue
		}
		n, p, err := c.makeNode([]string{name, addr})
		if err != nil {
			first = cmp.Or(first, err)
			continue
		}
		n.source, n.weight = source, min(weight, mostWeight)
		c.mount(n, p)
	}
	for name, m := range c.members {
		if m.n.source == source && !have[name] {
			c.unmount(m)
		}
	}
	return first
}
