package styxfs

import (
	"context"
	"maps"
	"slices"
	"sync"

	"llama9/ninep"
)

// An entry is a line of the tables in fs.go.
type entry struct {
	name  string
	mode  uint32 // permissions where users are known, and DMEXCL
	open  func(n *file, mode ninep.OpenMode) (ninep.Handle, error)
	text  textKind // what a length of 0 empties
	times bool     // may be written: a length of 0 and times are taken
}

// An attach is what one Tattach sees of the tree.
type attach struct {
	f     *FS
	owner owner
	known bool

	mu    sync.Mutex // guards below; before FS.mu
	news  []uint64   // the sessions made through it, the newest last
	sweep int        // so many of them, and those that are gone are taken out
}

// made notes that n was made through at.
func (at *attach) made(n uint64) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.news = append(at.news, n)
	if len(at.news) < max(at.sweep, 64) {
		return
	}
	f := at.f
	f.mu.Lock()
	defer f.mu.Unlock()
	at.news = slices.DeleteFunc(at.news, func(n uint64) bool { return f.sessions[n] == nil })
	at.sweep = 2 * len(at.news)
}

// last gives the newest living session of this attach, else of this user; nil
// if there is none.
func (at *attach) last() *session {
	f := at.f
	at.mu.Lock()
	defer at.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(at.news) > 0 {
		if s := f.sessions[at.news[len(at.news)-1]]; s != nil {
			return s
		}
		at.news = at.news[:len(at.news)-1]
	}
	if f.perUser[at.owner] == 0 {
		return nil
	}
	var newest *session
	for _, s := range f.sessions {
		if s.owner == at.owner && (newest == nil || s.n > newest.n) {
			newest = s
		}
	}
	return newest
}

// may says whether this attach may use s. A session of a known user is not for
// one who only claims the name.
func (at *attach) may(s *session) bool { return !s.owner.known || s.owner == at.owner }

// Numbers of files, which with a session's number make qid paths.
const (
	dirFile   = 0
	lastFile  = 30
	inferFile = 29
	newNumber = 28
)

// openDir opens a directory, which list lists.
func openDir(mode ninep.OpenMode, list func() []ninep.Stat) (ninep.Handle, error) {
	if mode&3 != ninep.OREAD {
		return nil, ninep.ErrIsDir
	}
	return dirHandle(list), nil
}

// A dirHandle is an open directory.
type dirHandle func() []ninep.Stat

func (h dirHandle) ReadDir(ctx context.Context) ([]ninep.Stat, error) { return h(), nil }
func (h dirHandle) Close(ctx context.Context) error                   { return nil }

// A PerUser is a node of Config.Extra that is another one for each user. known
// says that the name is more than a claim. Its own Stat has no name to tell.
type PerUser interface {
	ninep.Node
	For(user string, known bool) ninep.Node
}

// rootDir is the root of one attach.
type rootDir struct {
	f  *FS
	at *attach
}

func (d *rootDir) stat() ninep.Stat {
	return d.f.stat(&ninep.Stat{Name: "/", Mode: ninep.DMDIR | 0555}, qidPath(d.f.boot, dirFile))
}

// stat fills in what the server's own files have in common.
func (f *FS) stat(s *ninep.Stat, path uint64) ninep.Stat {
	s.Qid = ninep.Qid{Type: uint8(s.Mode >> 24), Path: path}
	s.Uid, s.Gid, s.Muid = f.cfg.ServerUser, f.cfg.ServerGroup, f.cfg.ServerUser
	s.Atime, s.Mtime = f.start, f.start
	return *s
}

func (d *rootDir) Stat(ctx context.Context) (ninep.Stat, error) { return d.stat(), nil }

func (d *rootDir) Walk(ctx context.Context, name string) (ninep.Node, error) {
	if name == "infer" {
		return &inferDir{d.f, d.at}, nil
	}
	for i := range rootFiles {
		if rootFiles[i].name == name {
			return &file{f: d.f, at: d.at, e: &rootFiles[i], n: i + 1}, nil
		}
	}
	if n := d.f.cfg.Extra[name]; n != nil {
		if p, ok := n.(PerUser); ok {
			n = p.For(d.at.owner.user, d.at.known)
		}
		return n, nil
	}
	return nil, ninep.ErrNotExist
}

func (d *rootDir) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	return openDir(mode, func() []ninep.Stat {
		var l []ninep.Stat
		for i := range rootFiles {
			l = append(l, (&file{f: d.f, at: d.at, e: &rootFiles[i], n: i + 1}).stat())
		}
		l = append(l, (&inferDir{d.f, d.at}).stat())
		for _, name := range slices.Sorted(maps.Keys(d.f.cfg.Extra)) {
			if s, err := d.f.cfg.Extra[name].Stat(ctx); err == nil {
				s.Name = name
				l = append(l, s)
			}
		}
		return l
	})
}

// inferDir is infer. All may write it, as removal of a session wants that; who
// may remove one is seen to there.
type inferDir struct {
	f  *FS
	at *attach
}

func (d *inferDir) stat() ninep.Stat {
	return d.f.stat(&ninep.Stat{Name: "infer", Mode: ninep.DMDIR | 0777}, qidPath(d.f.boot, inferFile))
}

func (d *inferDir) Stat(ctx context.Context) (ninep.Stat, error) { return d.stat(), nil }

func (d *inferDir) newFile() *file { return &file{f: d.f, at: d.at, e: &newFile, n: newNumber} }

func (d *inferDir) Walk(ctx context.Context, name string) (ninep.Node, error) {
	switch name {
	case "new":
		return d.newFile(), nil
	case "last":
		if s := d.at.last(); s != nil {
			return &lastDir{sessionDir{d.f, d.at, s}}, nil
		}
		return nil, ninep.ErrNotExist
	}
	if s := d.f.named(name); s != nil {
		return &sessionDir{d.f, d.at, s}, nil
	}
	return nil, ninep.ErrNotExist
}

func (d *inferDir) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	return openDir(mode, func() []ninep.Stat {
		l := []ninep.Stat{d.newFile().stat()}
		if s := d.at.last(); s != nil {
			l = append(l, (&lastDir{sessionDir{d.f, d.at, s}}).stat())
		}
		for _, s := range d.f.living() {
			l = append(l, (&sessionDir{d.f, d.at, s}).stat())
		}
		return l
	})
}

// sessionDir is infer/N.
type sessionDir struct {
	f  *FS
	at *attach
	s  *session
}

func (d *sessionDir) stat() ninep.Stat {
	return d.s.stat(d.s.name(), ninep.DMDIR|0700, dirFile)
}

func (d *sessionDir) Stat(ctx context.Context) (ninep.Stat, error) {
	if d.s.gone() {
		return ninep.Stat{}, ninep.ErrNotExist
	}
	return d.stat(), nil
}

func (d *sessionDir) Walk(ctx context.Context, name string) (ninep.Node, error) {
	switch {
	case d.s.gone():
		return nil, ninep.ErrNotExist
	case !d.at.may(d.s):
		return nil, ninep.ErrPermission
	}
	for i := range sessionFiles {
		if sessionFiles[i].name == name {
			return &file{f: d.f, at: d.at, s: d.s, e: &sessionFiles[i], n: i + 1}, nil
		}
	}
	return nil, ninep.ErrNotExist
}

func (d *sessionDir) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if !d.at.may(d.s) {
		return nil, ninep.ErrPermission
	}
	return openDir(mode, func() []ninep.Stat {
		if d.s.gone() {
			return nil
		}
		var l []ninep.Stat
		for i := range sessionFiles {
			l = append(l, (&file{f: d.f, at: d.at, s: d.s, e: &sessionFiles[i], n: i + 1}).stat())
		}
		return l
	})
}

// Remove closes the session. The engine has asked infer's permissions only.
func (d *sessionDir) Remove(ctx context.Context) error {
	if !d.at.may(d.s) {
		return ninep.ErrPermission
	}
	return d.s.close()
}

// lastDir is infer/last: a symbolic link to a session, and the session's files
// below it for who has no links.
type lastDir struct{ sessionDir }

var _ ninep.Linker = (*lastDir)(nil)

func (d *lastDir) stat() ninep.Stat {
	s := d.s.stat("last", ninep.DMSYMLINK|0777, lastFile)
	if !d.s.owner.known {
		return s
	}
	// As a directory it is no more open than what it shows.
	s.Mode = ninep.DMSYMLINK | 0700
	return s
}

func (d *lastDir) Stat(ctx context.Context) (ninep.Stat, error) {
	if d.s.gone() {
		return ninep.Stat{}, ninep.ErrNotExist
	}
	return d.stat(), nil
}

func (d *lastDir) Readlink(ctx context.Context) (string, error) { return d.s.name(), nil }

// Remove does nothing: the next last is another link.
func (d *lastDir) Remove(ctx context.Context) error { return nil }

// A file is a file of the tables.
type file struct {
	f  *FS
	at *attach
	s  *session // nil: the server's
	e  *entry
	n  int // its number among the files
}

func (n *file) stat() ninep.Stat {
	if n.s == nil {
		mode := n.e.mode
		if mode == 0660 && !n.at.known {
			mode = 0666
		}
		return n.f.stat(&ninep.Stat{Name: n.e.name, Mode: mode}, qidPath(n.f.boot, n.n))
	}
	s := n.s.stat(n.e.name, n.e.mode, n.n)
	s.Length = n.s.length(n.e.text)
	return s
}

func (n *file) Stat(ctx context.Context) (ninep.Stat, error) {
	if n.s != nil && n.s.gone() {
		return ninep.Stat{}, ninep.ErrNotExist
	}
	return n.stat(), nil
}

func (n *file) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	if n.s == nil {
		return n.e.open(n, mode)
	}
	if err := n.s.use(); err != nil {
		return nil, err
	}
	h, err := n.e.open(n, mode)
	if err != nil {
		n.s.unuse()
	}
	return h, err
}

// Remove succeeds and does nothing for a session's file: rm -r removes those
// before the directory.
func (n *file) Remove(ctx context.Context) error {
	switch {
	case n.s == nil:
		return ninep.ErrPermission
	case n.s.gone():
		return ninep.ErrNotExist
	}
	return nil
}

// Wstat takes what a shell's redirection sends, a length of 0 and times.
func (n *file) Wstat(ctx context.Context, c ninep.StatChange) error {
	if c == (ninep.StatChange{}) {
		return nil
	}
	if !n.e.times || c.Mode != nil || c.Name != nil || c.Uid != nil || c.Gid != nil || c.Length != nil && *c.Length != 0 {
		return ninep.ErrPermission
	}
	if c.Length != nil && n.s != nil {
		return n.s.empty(n.e.text)
	}
	return nil
}
