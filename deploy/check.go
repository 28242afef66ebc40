package deploy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"llama9/ninep"
)

// fill sets what follows from other keys.
func (c *Config) fill(p *parser) {
	if len(c.Models) == 0 {
		c.Models = []Model{{Name: "demo"}}
	}
	for i := range c.Models {
		m := &c.Models[i]
		if m.File != "" && !c.fake(m.File) && !filepath.IsAbs(m.File) && c.file != "" {
			m.File = filepath.Join(filepath.Dir(c.file), m.File)
		}
		if m.Name == "" && m.File == "" {
			m.Name = "demo"
		} else if m.Name == "" {
			m.Name = strings.TrimSuffix(filepath.Base(m.File), ".gguf")
			if !forms["name"].ok(m.Name) {
				p.fault(fmt.Sprintf("models[%d]", i), "name: the file's, %q, is none; want %s", m.Name, forms["name"].want)
			}
		}
	}
	for i := range c.Nodes {
		if c.Nodes[i].Name == "" {
			p.fault(fmt.Sprintf("nodes[%d]", i), "no name; every node has one")
		}
	}
	if c.Network.JoinKey != "" && !filepath.IsAbs(c.Network.JoinKey) && c.file != "" {
		c.Network.JoinKey = filepath.Join(filepath.Dir(c.file), c.Network.JoinKey)
	}
	for i := range c.Nodes {
		if g := &c.Nodes[i]; c.Scaling.Group == "" && g.Count > 0 && !g.Remote {
			c.Scaling.Group = g.Name
		}
	}
}

// fake says whether a model's file is a name of the fake engine's.
func (c *Config) fake(file string) bool {
	return c.Engine == "fake" && strings.HasPrefix(file, "fake:")
}

// group gives the nodes called name, nil if there are none.
func (c *Config) group(name string) *Group {
	for i := range c.Nodes {
		if c.Nodes[i].Name == name {
			return &c.Nodes[i]
		}
	}
	return nil
}

// check finds what is wrong with values that are good by themselves.
func (c *Config) check(p *parser) {
	models := make(map[string]string)
	for i, m := range c.Models {
		key := fmt.Sprintf("models[%d]", i)
		if first := models[m.Name]; first != "" {
			p.fault(key+".name", "%s: %s is called so on line %d already", m.Name, first, p.at.find(first))
		}
		models[m.Name] = key
	}
	if len(c.Nodes) == 0 {
		p.fault("nodes", "none; want one at least")
	}
	names, addrs := make(map[string]string), make(map[string]string)
	for i, a := range c.Network.Listen {
		c.take(p, addrs, fmt.Sprintf("network.listen[%d]", i), a)
	}
	if len(c.Network.Listen) == 0 {
		p.fault("network.listen", "no address; want one at least")
	}
	for i := range c.Nodes {
		key := fmt.Sprintf("nodes[%d]", i)
		c.checkGroup(p, key, &c.Nodes[i], models)
		for _, name := range c.Nodes[i].names(c.Nodes[i].Count) {
			if first := names[name]; first != "" {
				p.fault(key+".name", "%s: the node of line %d is called so already", name, p.at.find(first))
			}
			names[name] = key + ".name"
		}
		for _, a := range c.Nodes[i].fixed(c.most(&c.Nodes[i])) {
			c.take(p, addrs, key, a)
		}
	}
	for i, m := range c.Models {
		if !slices.ContainsFunc(c.Nodes, func(g Group) bool { return g.Remote || g.has(m.Name) }) {
			p.fault(fmt.Sprintf("models[%d]", i), "%s: no node has it; see models of nodes", m.Name)
		}
	}
	c.checkScaling(p)
	if l := &c.Limits; l.BackoffMax < l.Backoff {
		p.fault("limits.backoff_max", "%v: want limits.backoff, %v, or more", l.BackoffMax, l.Backoff)
	}
}

// take enters an address that is to be listened at, which is for one alone.
func (c *Config) take(p *parser, addrs map[string]string, key, addr string) {
	network, address, err := ninep.ParseAddr(addr)
	if err != nil || strings.HasSuffix(address, ":0") {
		return
	}
	where := network + "!" + address
	if first, ok := addrs[where]; ok {
		if n := p.at.find(first); n > 0 {
			first = fmt.Sprintf("line %d", n)
		}
		p.fault(key, "%s: %s has this address already", addr, first)
		return
	}
	addrs[where] = key
}

func (c *Config) checkGroup(p *parser, key string, g *Group, models map[string]string) {
	for i, m := range g.Models {
		if models[m] == "" {
			p.fault(fmt.Sprintf("%s.models[%d]", key, i), "%s: no such model; want one of models: %s", m, strings.Join(c.modelNames(), ", "))
		}
	}
	switch {
	case g.Address != "" && g.Port != 0:
		p.fault(key+".port", "%d: there is an address too; want one of the two", g.Port)
	case g.Remote && g.Address == "":
		p.fault(key, "%s is remote; want its address", g.Name)
	case g.Remote && g.Count > 0:
		p.fault(key+".count", "%d: %s is remote; want an entry for each such node", g.Count, g.Name)
	case g.Address != "" && g.Count > 1:
		p.fault(key+".address", "%s: one address for %d nodes; want port, that of the first", g.Address, g.Count)
	case g.Port != 0 && g.Port+max(g.Count, 1)-1 > 65535:
		p.fault(key+".port", "%d: %d nodes go beyond port 65535", g.Port, g.Count)
	}
	if !g.Remote {
		return
	}
	for name, given := range map[string]bool{
		"threads": g.Threads != 0, "cpus": g.CPUs != "", "memory": g.Memory != 0, "env": g.Env != nil, "models": g.Models != nil, "port": g.Port != 0,
	} {
		if given {
			p.fault(key+"."+name, "%s is remote: what is started elsewhere is set there", g.Name)
		}
	}
}

func (c *Config) modelNames() []string {
	var l []string
	for _, m := range c.Models {
		l = append(l, m.Name)
	}
	return l
}

func (c *Config) checkScaling(p *parser) {
	s := &c.Scaling
	g := c.group(s.Group)
	switch {
	case s.Group != "" && g == nil:
		p.fault("scaling.group", "%s: no such nodes", s.Group)
		return
	case g != nil && (g.Remote || g.Count == 0):
		p.fault("scaling.group", "%s: want local nodes with a count", s.Group)
		return
	case s.Auto && g == nil:
		p.fault("scaling.auto", "true: there are no local nodes with a count")
		return
	case g == nil:
		return
	case s.Auto && s.Max == 0:
		p.fault("scaling.max", "none: scaling.auto wants a bound")
	case s.Max > 0 && s.Min > s.Max:
		p.fault("scaling.min", "%d: want scaling.max, %d, or less", s.Min, s.Max)
	case s.Auto && (g.Count < s.Min || g.Count > s.Max):
		p.fault("scaling", "nodes.%s.count is %d: want it from min, %d, to max, %d", g.Name, g.Count, s.Min, s.Max)
	}
	if g.Address != "" && s.Max > 1 {
		p.fault("scaling.max", "%d: %s has one address; want port, that of the first", s.Max, g.Name)
	}
}
