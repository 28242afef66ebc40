package deploy

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"

	"llama9/styxfs"
)

// A Spec is a node as it is to be started, or adopted.
type Spec struct {
	Name   string
	Group  string
	Addr   string
	Remote bool
	Weight float64

	Args      []string // of llama9
	Env       []string // beside the supervisor's own
	CPUs      []int    // nil: all
	Memory    Size     // 0: no bound
	OpenFiles int      // 0: as the supervisor's
}

// same says whether a node that runs as s is one as t asks for. The weight is
// the coordinator's and changes without a restart.
func (s Spec) same(t Spec) bool {
	s.Weight = t.Weight
	return reflect.DeepEqual(s, t)
}

// LockName is the file in a deployment's directory that is there while it runs.
const LockName = "lock"

// Place says where a deployment keeps what it needs on this machine.
type Place struct {
	Dir  string // of the sockets
	Demo string // the demo model's file
}

// specs are the nodes of c, count of them in the group that is scaled.
func (c *Config) specs(at Place, count int) []Spec {
	var l []Spec
	for i := range c.Nodes {
		g := &c.Nodes[i]
		n := g.Count
		if g.Name == c.Scaling.Group {
			n = count
		}
		for k, name := range g.names(n) {
			l = append(l, c.spec(at, g, name, k))
		}
	}
	return l
}

func (c *Config) spec(at Place, g *Group, name string, k int) Spec {
	s := Spec{Name: name, Group: g.Name, Weight: g.Weight, Remote: g.Remote}
	switch {
	case g.Address != "":
		s.Addr = g.Address
	case g.Port != 0:
		s.Addr = g.fixed(k + 1)[k]
	default:
		s.Addr = "unix!" + filepath.Join(at.Dir, name+".sock")
	}
	if g.Remote {
		return s
	}
	s.Memory, s.OpenFiles = g.Memory, c.Limits.OpenFiles
	if g.CPUs != "" {
		s.CPUs, _ = parseCPUs(g.CPUs) // it was good when it was read
	}
	s.Args = append([]string{"node", "--listen", s.Addr, "--log-level", "info", "--engine", c.Engine}, c.loads(at, g)...)
	if g.Memory != 0 {
		s.Args = append(s.Args, "--memory", g.Memory.String())
	}
	for _, k := range sortedKeys(g.Env) {
		s.Env = append(s.Env, k+"="+g.Env[k])
	}
	return s
}

// threads are those of the engine of one node of g.
func (c *Config) threads(g *Group) int {
	if g.Threads != 0 {
		return g.Threads
	}
	if cpus, err := parseCPUs(g.CPUs); err == nil {
		return len(cpus)
	}
	local := 0
	for i := range c.Nodes {
		if !c.Nodes[i].Remote {
			local += max(c.most(&c.Nodes[i]), 1)
		}
	}
	return max(1, runtime.NumCPU()/max(local, 1))
}

// loads are the --load flags of a node of g.
func (c *Config) loads(at Place, g *Group) []string {
	var l []string
	for i := range c.Models {
		if m := &c.Models[i]; g.has(m.Name) {
			l = append(l, "--load", string(styxfs.AppendFields(nil, m.words(cmp.Or(m.File, at.Demo), c.threads(g))...)))
		}
	}
	return l
}

// words are those of a load line; see llama9(4).
func (m *Model) words(file string, threads int) []string {
	w := []string{m.Name, file, "threads=" + strconv.Itoa(threads)}
	for _, o := range []struct {
		name  string
		value any
	}{
		{"n_ctx", m.NCtx}, {"parallel", m.Parallel}, {"n_gpu_layers", m.NGPULayers}, {"main_gpu", m.MainGPU},
		{"tensor_split", m.TensorSplit}, {"cache_type_k", m.CacheTypeK}, {"cache_type_v", m.CacheTypeV},
	} {
		if v := fmt.Sprint(o.value); v != "" && v != "0" {
			w = append(w, o.name+"="+v)
		}
	}
	return w
}

// slots is what a node of the scaled group is taken to have before one has
// said so.
func (c *Config) slots() int {
	return cmp.Or(c.Models[0].Parallel, 4)
}

// find gives the spec called name.
func find(l []Spec, name string) *Spec {
	if i := slices.IndexFunc(l, func(s Spec) bool { return s.Name == name }); i >= 0 {
		return &l[i]
	}
	return nil
}
