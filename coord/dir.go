package coord

// The directory node of a coordinator's root:
//
//	node/
//	  new      rw  a node registers here
//	  index    r   one line a node
//	  NAME/        that node's own tree
//
// dirFiles is the table of names, modes and kinds.

import (
	"context"
	"strconv"
	"sync"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// dirFiles are the files of node. A mode is that where users are known.
var dirFiles = []struct {
	name string
	mode uint32
	open func(d *Dir, mode ninep.OpenMode) (ninep.Handle, error)
}{
	{"new", 0660, openNew},
	{"index", 0444, openIndex},
}

// A Grafter is a Place whose tree can be shown as a part of another: its root
// for a user, whose files have qid paths from path.
type Grafter interface {
	Graft(user string, path func() uint64) ninep.Node
}

// A Tree is what of a styxfs.FS the directory needs: see there.
type Tree interface {
	ID() string
	NewPath() uint64
}

// A Dir is the directory node, for styxfs.Config.Extra. Bind it to the tree
// that it is in.
type Dir struct {
	c *Coord

	mu    sync.Mutex // guards below; after Coord.mu
	tree  Tree
	owner [2]string // user and group
	start time.Time
	self  uint64 // qid paths
	files [2]uint64
	nodes map[*node]uint64
}

// Dir is the directory node of c.
func (c *Coord) Dir() *Dir { return c.dir }

// Bind tells of the tree that c is the Backend of, and whose its files are. It
// comes before the first mount: a coordinator knows itself by the tree's ID.
func (c *Coord) Bind(t Tree, user, group string) {
	c.mu.Lock()
	c.id = t.ID()
	c.mu.Unlock()
	d := c.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree, d.owner, d.start = t, [2]string{user, group}, time.Now()
	d.self = t.NewPath()
	for i := range d.files {
		d.files[i] = t.NewPath()
	}
	d.nodes = make(map[*node]uint64)
}

func (d *Dir) stat(name string, mode uint32, path uint64) ninep.Stat {
	return ninep.Stat{
		Qid: ninep.Qid{Type: uint8(mode >> 24), Path: path}, Mode: mode, Name: name, Atime: d.start, Mtime: d.start,
		Uid: d.owner[0], Gid: d.owner[1], Muid: d.owner[0],
	}
}

// For gives the directory as a user sees it. See styxfs.PerUser.
func (d *Dir) For(user string, known bool) ninep.Node { return &userDir{d, user, known} }

// Stat describes the directory.
func (d *Dir) Stat(context.Context) (ninep.Stat, error) {
	return d.stat("node", ninep.DMDIR|0555, d.self), nil
}

// A userDir is the directory of one user.
type userDir struct {
	*Dir
	user  string
	known bool
}

// file gives the node of file i of the table.
func (d *userDir) file(i int) *dirFile { return &dirFile{d, i} }

func (d *userDir) Walk(ctx context.Context, name string) (ninep.Node, error) {
	for i := range dirFiles {
		if dirFiles[i].name == name {
			return d.file(i), nil
		}
	}
	d.c.mu.Lock()
	m := d.c.members[name]
	d.c.mu.Unlock()
	if m == nil {
		return nil, ninep.ErrNotExist
	}
	return d.graft(m), nil
}

func (d *userDir) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if mode&3 != ninep.OREAD {
		return nil, ninep.ErrIsDir
	}
	var l listing
	for i := range dirFiles {
		s, _ := d.file(i).Stat(ctx)
		l = append(l, s)
	}
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	for _, n := range d.c.cluster.nodes {
		l = append(l, d.stat(n.name, ninep.DMDIR|0555, d.path(n)))
	}
	return l, nil
}

// A listing is an open directory.
type listing []ninep.Stat

func (l listing) ReadDir(context.Context) ([]ninep.Stat, error) { return l, nil }
func (l listing) Close(context.Context) error                   { return nil }

// path is the qid path of a node's directory.
func (d *Dir) path(n *node) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nodes[n] == 0 {
		d.nodes[n] = d.tree.NewPath()
	}
	return d.nodes[n]
}

// forget drops the qid path of a node that is unmounted.
func (d *Dir) forget(n *node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.nodes, n)
}

// graft gives the directory of a node, which stays where it is when the node
// is down.
func (d *userDir) graft(m *member) ninep.Node {
	g := &graft{st: d.stat(m.n.name, ninep.DMDIR|0555, d.path(m.n))}
	if p, ok := m.place.(Grafter); ok {
		g.root = p.Graft(d.user, d.tree.NewPath)
	}
	return g
}

// A graft is node/NAME.
type graft struct {
	st   ninep.Stat
	root ninep.Node // nil: nothing is shown
}

func (g *graft) Stat(context.Context) (ninep.Stat, error) { return g.st, nil }

func (g *graft) Walk(ctx context.Context, name string) (ninep.Node, error) {
	if w, ok := g.root.(ninep.Walker); ok {
		return w.Walk(ctx, name)
	}
	return nil, ninep.ErrNotExist
}

func (g *graft) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if o, ok := g.root.(ninep.Opener); ok {
		return o.Open(ctx, mode)
	}
	return listing(nil), nil
}

// A dirFile is new or index.
type dirFile struct {
	d *userDir
	i int
}

func (f *dirFile) Stat(context.Context) (ninep.Stat, error) {
	e := &dirFiles[f.i]
	mode := e.mode
	if mode == 0660 && !f.d.known {
		mode = 0666
	}
	return f.d.stat(e.name, mode, f.d.files[f.i]), nil
}

func (f *dirFile) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	return dirFiles[f.i].open(f.d.Dir, mode)
}

func openIndex(d *Dir, mode ninep.OpenMode) (ninep.Handle, error) {
	if mode.Writable() || mode&ninep.OTRUNC != 0 {
		return nil, ninep.ErrPermission
	}
	return styxfs.NewPage(d.c.indexText), nil
}

// indexText is what node/index shows, a line of attr=value a node.
func (c *Coord) indexText() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b []byte
	for _, n := range c.cluster.nodes {
		b = append(styxfs.AppendAttrs(b, n.attrs()...), '\n')
	}
	return b
}

func (n *node) attrs() []styxfs.Attr {
	started := ""
	if !n.start.IsZero() {
		started = n.start.UTC().Format(time.RFC3339)
	}
	return []styxfs.Attr{
		{Name: "name", Value: n.name}, {Name: "addr", Value: n.addr}, {Name: "state", Value: n.state()},
		{Name: "weight", Value: weightText(n.weight)},
		{Name: "slots", Value: strconv.Itoa(n.slots)}, {Name: "busy", Value: strconv.Itoa(n.busy)}, {Name: "queue", Value: strconv.Itoa(n.queue)},
		{Name: "inflight", Value: strconv.Itoa(n.inflight)}, {Name: "served", Value: strconv.FormatUint(n.served, 10)},
		{Name: "rtt", Value: n.rtt.Round(time.Microsecond).String()}, {Name: "tokens/s", Value: rateText(n.rate)},
		{Name: "source", Value: n.source}, {Name: "id", Value: n.id}, {Name: "start", Value: started}, {Name: "engine", Value: n.engine},
		{Name: "error", Value: n.err},
	}
}
