package deploy

// The directory deploy of a deployment's tree:
//
//	deploy/
//	  ctl      rw  scale, pause, restart ...
//	  config   r   what the deployment is made of, as a file
//	  status   r   a line of the whole, and one a node
//	  event    r   blocks; one line a change
//	  log/NAME     r   what a node has printed lately
//	  follow/NAME  r   the same, and blocks at its end for more
//
// files is the table of names, modes and kinds.

import (
	"context"
	"sync"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// A Tree is the directory deploy, for styxfs.Config.Extra.
type Tree struct {
	s     *Supervisor
	ctl   sync.Mutex // one write at a time
	start time.Time

	// Set by Bind.
	path  func() uint64
	owner [2]string
	self  uint64
	files map[string]uint64

	mu   sync.Mutex // guards below
	logs map[string]uint64
}

// files are those of the directory. A mode is that where users are known.
var files = []struct {
	name string
	mode uint32
	open func(t *Tree, mode ninep.OpenMode) (ninep.Handle, error)
}{
	{"ctl", 0660, (*Tree).openCtl},
	{"config", 0444, page(func(s *Supervisor) []byte { return s.Config().Print(true, true) })},
	{"status", 0444, page((*Supervisor).Status)},
	{"event", 0444, (*Tree).openEvent},
}

// dirs are the directories of logs. What a node prints is its user's.
var dirs = []struct {
	name   string
	follow bool
}{{"log", false}, {"follow", true}}

const logMode = 0440

// Tree is the directory of s. It is Bound to the tree that it is in.
func (s *Supervisor) Tree() *Tree { return &Tree{s: s, start: s.o.Now()} }

// Bind tells of the tree that t is in: path gives qid paths that no other file
// of it has, and user and group own the files. It comes before any use.
func (t *Tree) Bind(path func() uint64, user, group string) {
	t.path, t.owner = path, [2]string{user, group}
	t.self = path()
	t.files, t.logs = make(map[string]uint64), make(map[string]uint64)
	for _, f := range files {
		t.files[f.name] = path()
	}
	for _, d := range dirs {
		t.files[d.name] = path()
	}
}

// Config is what the deployment is made of now. It is not to be changed.
func (s *Supervisor) Config() *Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c
}

func (t *Tree) stat(name string, mode uint32, path uint64) ninep.Stat {
	return ninep.Stat{
		Qid: ninep.Qid{Type: uint8(mode >> 24), Path: path}, Mode: mode, Name: name, Atime: t.start, Mtime: t.start,
		Uid: t.owner[0], Gid: t.owner[1], Muid: t.owner[0],
	}
}

// For gives the directory as a user sees it. See styxfs.PerUser.
func (t *Tree) For(user string, known bool) ninep.Node { return &userTree{t, known} }

// Stat describes the directory.
func (t *Tree) Stat(context.Context) (ninep.Stat, error) {
	return t.stat("deploy", ninep.DMDIR|0555, t.self), nil
}

// A userTree is the directory of one user.
type userTree struct {
	*Tree
	known bool
}

func (u *userTree) Walk(ctx context.Context, name string) (ninep.Node, error) {
	for i := range files {
		if files[i].name == name {
			return &treeFile{u, i}, nil
		}
	}
	for _, d := range dirs {
		if d.name == name {
			return &logDir{u, d.name, d.follow}, nil
		}
	}
	return nil, ninep.ErrNotExist
}

func (u *userTree) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if mode&3 != ninep.OREAD {
		return nil, ninep.ErrIsDir
	}
	var l listing
	for i := range files {
		l = append(l, (&treeFile{u, i}).stat())
	}
	for _, d := range dirs {
		l = append(l, (&logDir{u, d.name, d.follow}).stat())
	}
	return l, nil
}

// mode is that of a file for this user: where users are only claimed, all may
// write.
func (u *userTree) mode(m uint32) uint32 {
	if u.known {
		return m
	}
	return m | m>>3&7 | m>>6&7
}

// A listing is an open directory.
type listing []ninep.Stat

func (l listing) ReadDir(context.Context) ([]ninep.Stat, error) { return l, nil }
func (l listing) Close(context.Context) error                   { return nil }

// A treeFile is a file of the table.
type treeFile struct {
	u *userTree
	i int
}

func (f *treeFile) stat() ninep.Stat {
	e := &files[f.i]
	return f.u.Tree.stat(e.name, f.u.mode(e.mode), f.u.files[e.name])
}

func (f *treeFile) Stat(context.Context) (ninep.Stat, error) { return f.stat(), nil }

func (f *treeFile) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	return files[f.i].open(f.u.Tree, mode)
}

// page is a file that is made on reading.
func page(make func(s *Supervisor) []byte) func(*Tree, ninep.OpenMode) (ninep.Handle, error) {
	return func(t *Tree, mode ninep.OpenMode) (ninep.Handle, error) {
		if mode.Writable() || mode&ninep.OTRUNC != 0 {
			return nil, ninep.ErrPermission
		}
		return styxfs.NewPage(func() []byte { return make(t.s) }), nil
	}
}

func (t *Tree) openEvent(mode ninep.OpenMode) (ninep.Handle, error) {
	if mode.Writable() || mode&ninep.OTRUNC != 0 {
		return nil, ninep.ErrPermission
	}
	return t.s.o.Events.Open(), nil
}

// A logDir is log or follow.
type logDir struct {
	u      *userTree
	name   string
	follow bool
}

func (d *logDir) stat() ninep.Stat {
	return d.u.Tree.stat(d.name, ninep.DMDIR|0555, d.u.files[d.name])
}

func (d *logDir) Stat(context.Context) (ninep.Stat, error) { return d.stat(), nil }

func (d *logDir) Walk(ctx context.Context, name string) (ninep.Node, error) {
	if l := d.u.s.log(name); l != nil {
		return &logFile{d, name, l}, nil
	}
	return nil, ninep.ErrNotExist
}

func (d *logDir) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if mode&3 != ninep.OREAD {
		return nil, ninep.ErrIsDir
	}
	var l listing
	for _, name := range d.u.s.logNames() {
		l = append(l, (&logFile{d: d, name: name}).stat())
	}
	return l, nil
}

// ownLog is the name of the supervisor's own log.
const ownLog = "deploy"

// log gives the log called name, nil if there is none.
func (s *Supervisor) log(name string) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.find(name); n != nil {
		return n.log
	}
	if name == ownLog {
		return s.o.Own
	}
	return nil
}

func (s *Supervisor) logNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []string
	for _, n := range s.nodes {
		l = append(l, n.name)
	}
	if s.o.Own != nil && s.find(ownLog) == nil {
		l = append(l, ownLog)
	}
	return l
}

// A logFile is a log of a node.
type logFile struct {
	d    *logDir
	name string
	l    *Log
}

func (f *logFile) stat() ninep.Stat {
	t := f.d.u.Tree
	t.mu.Lock()
	defer t.mu.Unlock()
	key := f.d.name + "/" + f.name
	if t.logs[key] == 0 {
		t.logs[key] = t.path()
	}
	return t.stat(f.name, f.d.u.mode(logMode), t.logs[key])
}

func (f *logFile) Stat(context.Context) (ninep.Stat, error) { return f.stat(), nil }

func (f *logFile) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if mode.Writable() || mode&ninep.OTRUNC != 0 {
		return nil, ninep.ErrPermission
	}
	return &logReader{l: f.l, follow: f.d.follow}, nil
}
