package coord

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"llama9/styxfs"
)

// What can mount a node, beside srv:NAME.
const (
	byCtl  = "ctl"
	byFlag = "flag" // of the command line
	byNew  = "new"
)

// mostName bounds the name of a node.
const mostName = 64

// Ctl obeys lines of the root ctl, all of them or none. See llama9-coord(8)
// and styxfs.Backend.
func (c *Coord) Ctl(_ context.Context, cmds [][]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return styxfs.ErrClosed
	}
	nodes := c.byName()
	var acts []func()
	for _, w := range cmds {
		act, err := c.command(w, nodes)
		if err != nil {
			return err
		}
		acts = append(acts, act)
	}
	for _, act := range acts {
		act()
	}
	for _, m := range c.members {
		c.shown(m)
	}
	c.settle(time.Now(), c.cluster.nodes...)
	return nil
}

// byName gives the nodes by their names. mu is held.
func (c *Coord) byName() map[string]*node {
	nodes := make(map[string]*node)
	for name, m := range c.members {
		nodes[name] = m.n
	}
	return nodes
}

// A verb is a command of ctl: how many words follow it, at least and at most,
// and what it does. nodes are those that the lines before it leave, by name.
type verb struct {
	least, most int
	plan        func(c *Coord, args []string, nodes map[string]*node) (func(), error)
}

var verbs = map[string]verb{
	"mount":   {2, 3, (*Coord).planMount},
	"unmount": {1, 1, (*Coord).planUnmount},
	"drain": {1, 1, func(c *Coord, a []string, nodes map[string]*node) (func(), error) {
		return planDrain(nodes[a[0]], a[0], true)
	}},
	"undrain": {1, 1, func(c *Coord, a []string, nodes map[string]*node) (func(), error) {
		return planDrain(nodes[a[0]], a[0], false)
	}},
	"weight":   {2, 2, (*Coord).planWeight},
	"strategy": {1, 1, (*Coord).planStrategy},
	"failover": {1, 1, (*Coord).planFailover},
	"default": {0, 1, func(c *Coord, a []string, _ map[string]*node) (func(), error) {
		return func() { c.cluster.standard = strings.Join(a, "") }, nil
	}},
	"expect": {0, 1, func(c *Coord, a []string, _ map[string]*node) (func(), error) {
		if len(a) == 0 {
			return func() { clear(c.cluster.expected) }, nil
		}
		return func() { c.cluster.expected[a[0]] = true }, nil
	}},
	"pause": {0, 0, func(c *Coord, _ []string, _ map[string]*node) (func(), error) {
		return func() { c.cluster.paused = true }, nil
	}},
	"resume": {0, 0, func(c *Coord, _ []string, _ map[string]*node) (func(), error) {
		return func() { c.cluster.paused = false }, nil
	}},
}

// command checks one line and gives what it does. mu is held.
func (c *Coord) command(w []string, nodes map[string]*node) (func(), error) {
	v, ok := verbs[w[0]]
	if !ok {
		return nil, fmt.Errorf("%s: unknown", clip(w[0]))
	}
	if n := len(w) - 1; n < v.least || n > v.most {
		return nil, fmt.Errorf("%s: %d words after it, wants %d", w[0], n, max(v.least, min(n, v.most)))
	}
	act, err := v.plan(c, w[1:], nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w[0], err)
	}
	return act, nil
}

// planMount mounts a node. One that ctl or the command line has mounted there
// already stays as it is, so that the lines of ctl can be written back.
func (c *Coord) planMount(a []string, nodes map[string]*node) (func(), error) {
	n, err := parseNode(a)
	if err != nil {
		return nil, err
	}
	if old := nodes[n.name]; old != nil {
		if !old.byHand() || old.addr != n.addr {
			return nil, fmt.Errorf("%s: in use", n.name)
		}
		return func() {
			if len(a) > 2 {
				old.weight = n.weight
			}
		}, nil
	}
	p, err := c.open(n)
	if err != nil {
		return nil, err
	}
	nodes[n.name] = n
	return func() { c.mount(n, p) }, nil
}

// byHand says whether n is there because somebody who runs the coordinator
// said so: it is one of the settings.
func (n *node) byHand() bool { return n.source == byCtl || n.source == byFlag }

// makeNode makes a node of NAME ADDR [weight=W].
func (c *Coord) makeNode(a []string) (*node, Place, error) {
	n, err := parseNode(a)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.open(n)
	return n, p, err
}

func parseNode(a []string) (*node, error) {
	if err := checkName(a[0]); err != nil {
		return nil, err
	}
	n := &node{name: a[0], addr: a[1], source: byCtl, weight: 1}
	for _, w := range a[2:] {
		name, value, _ := strings.Cut(w, "=")
		if name != "weight" {
			return nil, fmt.Errorf("%s: unknown", clip(w))
		}
		var err error
		if n.weight, err = parseWeight(value); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (c *Coord) open(n *node) (Place, error) {
	p, err := c.cfg.Open(n.addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clip(n.addr), err)
	}
	return p, nil
}

// checkName says why name can be no node's: it is a directory of node/.
func checkName(name string) error {
	switch {
	case len(name) > mostName:
		return fmt.Errorf("%s: longer than %d bytes", clip(name), mostName)
	case name == "" || name == "." || name == ".." || name == "new" || name == "index" || strings.Contains(name, "/"):
		return fmt.Errorf("%s: no name for a node", clip(name))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("%s: no name for a node", clip(name))
	}
	return nil
}

// The least and the greatest weight of a node.
const (
	leastWeight = 0.001
	mostWeight  = 1000
)

func parseWeight(s string) (float64, error) {
	w, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(w) || w < leastWeight || w > mostWeight {
		return 0, fmt.Errorf("%s: not a weight from %v to %v", clip(s), leastWeight, mostWeight)
	}
	return w, nil
}

func (c *Coord) planUnmount(a []string, nodes map[string]*node) (func(), error) {
	if nodes[a[0]] == nil {
		return nil, errUnknown(a[0])
	}
	delete(nodes, a[0])
	return func() { c.unmount(c.members[a[0]]) }, nil
}

func planDrain(n *node, name string, on bool) (func(), error) {
	if n == nil {
		return nil, errUnknown(name)
	}
	return func() { n.drained = on }, nil
}

func (c *Coord) planWeight(a []string, nodes map[string]*node) (func(), error) {
	n := nodes[a[0]]
	if n == nil {
		return nil, errUnknown(a[0])
	}
	w, err := parseWeight(a[1])
	if err != nil {
		return nil, err
	}
	return func() { n.weight = w }, nil
}

func (c *Coord) planStrategy(a []string, _ map[string]*node) (func(), error) {
	if !slices.Contains(Strategies, a[0]) {
		return nil, fmt.Errorf("%s: not %s", clip(a[0]), strings.Join(Strategies, ", "))
	}
	return func() { c.cluster.strategy = a[0] }, nil
}

func (c *Coord) planFailover(a []string, _ map[string]*node) (func(), error) {
	if a[0] != "resume" && a[0] != "strict" {
		return nil, fmt.Errorf("%s: not resume or strict", clip(a[0]))
	}
	return func() { c.failover = a[0] }, nil
}

func errUnknown(name string) error { return errors.New(clip(name) + ": no such node") }

// clip gives the beginning of a word that an error names.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return styxfs.Quote(s)
}

// Settings are the lines that make a Coord what this one is, but for nodes that
// it has beside. Nodes that have registered themselves, or were found, are not
// among them. See styxfs.Backend.
func (c *Coord) Settings() [][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := [][]string{{"strategy", c.cluster.strategy}, {"failover", c.failover}}
	for _, n := range c.cluster.nodes {
		if !n.byHand() {
			continue
		}
		lines = append(lines, n.mountLine())
		if n.drained {
			lines = append(lines, []string{"drain", n.name})
		} else {
			lines = append(lines, []string{"undrain", n.name})
		}
	}
	lines = append(lines, []string{"expect"})
	for _, m := range slices.Sorted(maps.Keys(c.cluster.expected)) {
		lines = append(lines, []string{"expect", m})
	}
	if m := c.cluster.standard; m != "" {
		lines = append(lines, []string{"default", m})
	} else {
		lines = append(lines, []string{"default"})
	}
	if c.cluster.paused {
		return append(lines, []string{"pause"})
	}
	return append(lines, []string{"resume"})
}

func (n *node) mountLine() []string {
	return []string{"mount", n.name, n.addr, "weight=" + weightText(n.weight)}
}

func weightText(w float64) string { return strconv.FormatFloat(w, 'g', -1, 64) }
