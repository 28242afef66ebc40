package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// mostNodes bounds the nodes of a group.
const mostNodes = 256

// names are those of n nodes of g. A group without a count is one node.
func (g *Group) names(n int) []string {
	if g.Count == 0 {
		return []string{g.Name}
	}
	var l []string
	for i := range n {
		l = append(l, g.Name+"-"+strconv.Itoa(i+1))
	}
	return l
}

// fixed are the addresses of n nodes of g, as far as the file says them.
func (g *Group) fixed(n int) []string {
	switch {
	case g.Address != "":
		return []string{g.Address}
	case g.Port == 0:
		return nil
	}
	var l []string
	for i := range max(n, 1) {
		l = append(l, fmt.Sprintf("tcp!127.0.0.1!%d", g.Port+i))
	}
	return l
}

// most is how many nodes g may have without another word.
func (c *Config) most(g *Group) int {
	if c.Scaling.Auto && g.Name == c.Scaling.Group {
		return max(g.Count, c.Scaling.Max)
	}
	return g.Count
}

// has says whether the nodes of g have the model called name.
func (g *Group) has(name string) bool {
	for _, m := range g.Models {
		if m == name {
			return true
		}
	}
	return len(g.Models) == 0
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
