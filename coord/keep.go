package coord

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"llama9/styxfs"
)

// Kept are the lines of ctl that are to outlive a restart: what was set there,
// and is not the Config's or the command line's. See styxfs.Config.
func (c *Coord) Kept() [][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines [][]string
	if s := c.cluster.strategy; s != c.cfg.Strategy {
		lines = append(lines, []string{"strategy", s})
	}
	if (c.failover == "strict") != c.cfg.Strict {
		lines = append(lines, []string{"failover", c.failover})
	}
	for _, n := range c.cluster.nodes {
		switch {
		case n.source == byCtl:
			lines = append(lines, n.mountLine())
		case n.source == byFlag && n.said == 0 && n.weight != 1:
			lines = append(lines, []string{"weight", n.name, weightText(n.weight)})
		}
		if n.byHand() && n.drained {
			lines = append(lines, []string{"drain", n.name})
		}
	}
	for _, m := range slices.Sorted(maps.Keys(c.cluster.expected)) {
		if !slices.Contains(c.cfg.Expect, m) {
			lines = append(lines, []string{"expect", m})
		}
	}
	if m := c.cluster.standard; m != "" {
		lines = append(lines, []string{"default", m})
	}
	if c.cluster.paused {
		lines = append(lines, []string{"pause"})
	}
	return lines
}

// Restore makes c what it was before a restart, at once, so that no turn runs
// in between. flags are the nodes of the command line, NAME ADDR [weight=W],
// and kept is what Kept gave then. A node of the command line goes before one
// of its name that ctl had mounted. A line that can be obeyed no more is told
// to Config.Log.
func (c *Coord) Restore(flags, kept [][]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return styxfs.ErrClosed
	}
	nodes := c.byName()
	for _, w := range flags {
		if nodes[w[0]] != nil {
			return fmt.Errorf("%s: in use", clip(w[0]))
		}
		n, p, err := c.makeNode(w)
		if err != nil {
			return err
		}
		if n.source = byFlag; len(w) > 2 {
			n.said = n.weight
		}
		nodes[n.name] = n
		c.mount(n, p)
	}
	for _, w := range kept {
		if err := c.restore(w, nodes); err != nil {
			c.log.Error("a line of ctl is not kept", "line", strings.Join(w, " "), "err", err)
		}
	}
	c.settle(time.Now(), c.cluster.nodes...)
	return nil
}

// restore obeys a line of Kept, unless the command line has made it void. mu is
// held.
func (c *Coord) restore(w []string, nodes map[string]*node) error {
	var n *node
	if len(w) > 1 {
		n = nodes[w[1]]
	}
	switch {
	case w[0] == "mount" && n != nil, w[0] == "drain" && n == nil, w[0] == "weight" && (n == nil || n.said != 0):
		return nil
	}
	act, err := c.command(w, nodes)
	if err == nil {
		act()
	}
	return err
}
