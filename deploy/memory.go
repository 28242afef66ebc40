package deploy

import (
	"cmp"
	"fmt"
	"strings"
)

// A Measure says what a model takes: its weights, which all processes of a
// machine share, and the cache of one node. An error says that it is no model.
type Measure func(m Model) (weights, cache uint64, err error)

// CheckModels says which models of c are none, with the line of each.
func (c *Config) CheckModels(measure Measure) error {
	p := &parser{name: cmp.Or(c.file, "defaults"), at: c.at}
	for i, m := range c.Models {
		if c.fake(m.File) {
			continue
		}
		if _, _, err := measure(m); err != nil {
			p.fault(fmt.Sprintf("models[%d].file", i), "%s: %v", m.File, err)
		}
	}
	return p.err()
}

// CheckMemory says why the models do not fit: not into what a node is bounded
// to, or, when the scaled group goes from so many nodes to count, not into the
// free bytes of this machine, of which 0 is not known. The error has the sum.
func (c *Config) CheckMemory(from, count int, free uint64, measure Measure) error {
	var total uint64
	var parts []string
	weighed := make(map[string]bool)
	for i := range c.Nodes {
		g := &c.Nodes[i]
		if g.Remote {
			continue
		}
		n := max(g.Count, 1)
		if g.Name == c.Scaling.Group {
			n = max(count-from, 0)
		} else if from > 0 {
			continue // they are there already
		}
		var first uint64 // of the default model: that a node cannot do without
		for k, m := range c.Models {
			if c.fake(m.File) || !g.has(m.Name) {
				continue
			}
			weights, cache, err := measure(m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.File, err)
			}
			if first == 0 {
				if first = weights + cache; g.Memory != 0 && first > uint64(g.Memory) {
					return fmt.Errorf("%snodes.%s.memory: not enough for %s: weights %s + cache %s = %s; %s are allowed",
						c.where(fmt.Sprintf("nodes[%d].memory", i)), g.Name, c.Models[k].Name, bytesText(weights), bytesText(cache), bytesText(first), bytesText(uint64(g.Memory)))
				}
				if !weighed[m.File] && from == 0 {
					weighed[m.File] = true
					total += weights
					parts = append(parts, fmt.Sprintf("weights of %s %s", m.Name, bytesText(weights)))
				}
				total += uint64(n) * cache
				parts = append(parts, fmt.Sprintf("%d x cache %s", n, bytesText(cache)))
			}
		}
	}
	if free == 0 || total <= free {
		return nil
	}
	return fmt.Errorf("not enough memory: %s = %s; %s are available", strings.Join(parts, " + "), bytesText(total), bytesText(free))
}

// where is file and line of a key, for the beginning of an error.
func (c *Config) where(key string) string {
	if c.file == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", c.file, c.at.find(key))
}
