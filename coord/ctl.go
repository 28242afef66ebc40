package coord

import (
	"context"
	"errors"
	"fmt"
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
	byCtl = "ctl"
	byNew = "new"
)

// mostName bounds the name of a node.
const mostName = 64

// Ctl obeys lines of the root ctl, all of them or none. See llama9-coord(8)
// and styxfs.Backend.
func (c *Coord) Ctl(_ context.Context, cmds [][]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	names := make(map[string]bool)
	for name := range c.members {
		names[name] = true
	}
	var acts []func()
	for _, w := range cmds {
		act, err := c.command(w, names)
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

// A verb is a command of ctl: how many words follow it, at least and at most,
// and what it does. names are the nodes that the lines before it leave.
type verb struct {
	least, most int
	plan        func(c *Coord, args []string, names map[string]bool) (func(), error)
}

var verbs = map[string]verb{
	"mount":   {2, 3, (*Coord).planMount},
	"unmount": {1, 1, (*Coord).planUnmount},
	"drain": {1, 1, func(c *Coord, a []string, names map[string]bool) (func(), error) {
		return c.planDrain(a[0], names, true)
	}},
	"undrain": {1, 1, func(c *Coord, a []string, names map[string]bool) (func(), error) {
		return c.planDrain(a[0], names, false)
	}},
	"weight":   {2, 2, (*Coord).planWeight},
	"strategy": {1, 1, (*Coord).planStrategy},
	"failover": {1, 1, (*Coord).planFailover},
	"default": {1, 1, func(c *Coord, a []string, _ map[string]bool) (func(), error) {
		return func() { c.cluster.standard = a[0] }, nil
	}},
	"expect": {1, 1, func(c *Coord, a []string, _ map[string]bool) (func(), error) {
		return func() { c.cluster.expected[a[0]] = true }, nil
	}},
	"pause": {0, 0, func(c *Coord, _ []string, _ map[string]bool) (func(), error) {
		return func() { c.cluster.paused = true }, nil
	}},
	"resume": {0, 0, func(c *Coord, _ []string, _ map[string]bool) (func(), error) {
		return func() { c.cluster.paused = false }, nil
	}},
}

// command checks one line and gives what it does. mu is held.
func (c *Coord) command(w []string, names map[string]bool) (func(), error) {
	v, ok := verbs[w[0]]
	if !ok {
		return nil, fmt.Errorf("%s: unknown", clip(w[0]))
	}
	if n := len(w) - 1; n < v.least || n > v.most {
		return nil, fmt.Errorf("%s: %d words after it, wants %d", w[0], n, v.least)
	}
	act, err := v.plan(c, w[1:], names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w[0], err)
	}
	return act, nil
}

func (c *Coord) planMount(a []string, names map[string]bool) (func(), error) {
	n, p, err := c.makeNode(a)
	if err != nil {
		return nil, err
	}
	if names[n.name] {
		return nil, fmt.Errorf("%s: in use", n.name)
	}
	names[n.name] = true
	return func() { c.mount(n, p) }, nil
}

// makeNode makes a node of NAME ADDR [weight=W].
func (c *Coord) makeNode(a []string) (*node, Place, error) {
	if err := checkName(a[0]); err != nil {
		return nil, nil, err
	}
	n := &node{name: a[0], addr: a[1], source: byCtl, weight: 1}
	for _, w := range a[2:] {
		name, value, _ := strings.Cut(w, "=")
		if name != "weight" {
			return nil, nil, fmt.Errorf("%s: unknown", clip(w))
		}
		var err error
		if n.weight, err = parseWeight(value); err != nil {
			return nil, nil, err
		}
	}
	p, err := c.cfg.Open(n.addr)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", clip(n.addr), err)
	}
	return n, p, nil
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

func (c *Coord) planUnmount(a []string, names map[string]bool) (func(), error) {
	if !names[a[0]] {
		return nil, errUnknown(a[0])
	}
	delete(names, a[0])
	return func() { c.unmount(c.members[a[0]]) }, nil
}

func (c *Coord) planDrain(name string, names map[string]bool, on bool) (func(), error) {
	if !names[name] {
		return nil, errUnknown(name)
	}
	return func() { c.members[name].n.drained = on }, nil
}

func (c *Coord) planWeight(a []string, names map[string]bool) (func(), error) {
	if !names[a[0]] {
		return nil, errUnknown(a[0])
	}
	w, err := parseWeight(a[1])
	if err != nil {
		return nil, err
	}
	return func() { c.members[a[0]].n.weight = w }, nil
}

func (c *Coord) planStrategy(a []string, _ map[string]bool) (func(), error) {
	if !slices.Contains(Strategies, a[0]) {
		return nil, fmt.Errorf("%s: not %s", clip(a[0]), strings.Join(Strategies, ", "))
	}
	return func() { c.cluster.strategy = a[0] }, nil
}

func (c *Coord) planFailover(a []string, _ map[string]bool) (func(), error) {
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

// Settings are the lines that make a Coord what this one is. Nodes that have
// registered themselves, or were found, are not among them. See styxfs.Backend.
func (c *Coord) Settings() [][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := [][]string{{"strategy", c.cluster.strategy}, {"failover", c.failover}}
	for _, n := range c.cluster.nodes {
		if n.source != byCtl {
			continue
		}
		lines = append(lines, []string{"mount", n.name, n.addr, "weight=" + strconv.FormatFloat(n.weight, 'g', -1, 64)})
		if n.drained {
			lines = append(lines, []string{"drain", n.name})
		}
	}
	var expected []string
	for m := range c.cluster.expected {
		expected = append(expected, m)
	}
	slices.Sort(expected)
	for _, m := range expected {
		lines = append(lines, []string{"expect", m})
	}
	if m := c.cluster.standard; m != "" {
		lines = append(lines, []string{"default", m})
	}
	if c.cluster.paused {
		return append(lines, []string{"pause"})
	}
	return append(lines, []string{"resume"})
}
