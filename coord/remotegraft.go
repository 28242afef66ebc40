package coord

import (
	"context"
	"slices"
	"strconv"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// Graft gives the node's tree as user sees it, to be shown in another one;
// path gives qid.paths that this has not. The sessions that turns here have
// made on the node are refused: what is done to them is done here.
func (r *Remote) Graft(user string, path func() uint64) ninep.Node {
	r.mu.Lock()
	if r.paths.New == nil {
		r.paths.New = path
	}
	r.mu.Unlock()
	g := &mnt.Graft{
		Tree: func(ctx context.Context) (*mnt.Fsys, func(), error) {
			ctx, cancel := r.within(ctx)
			defer cancel()
			return r.ctl.tree(ctx, user)
		},
		Open: func(ctx context.Context, names []string, mode ninep.OpenMode) (*mnt.Fsys, func(bool), error) {
			return r.openGraft(ctx, user, names, mode)
		},
		Path: func(remote uint64) uint64 { return r.paths.Path(r.ctl.startID(), remote) },
		Refuse: func(names []string, q ninep.Qid) error {
			if r.belongs(names, q) {
				return ninep.ErrPermission
			}
			return nil
		},
	}
	return g.Root()
}

// belongs says whether a file of the node is, or is below, a session that was
// made here. The name last tells nothing: there the qid does.
func (r *Remote) belongs(names []string, q ninep.Qid) bool {
	if len(names) < 2 || names[0] != "infer" {
		return false
	}
	return r.Owns(names[1]) || names[1] == "last" && r.Owns(strconv.FormatUint(styxfs.PathSession(q.Path), 10))
}

// openGraft gives the tree to open a file of a graft in. One that can be
// written has a connection of its own: only a hang-up says that what was
// written is not to be committed. So has new, whatever it is opened for: the
// session that it makes would be the last one of all who share the tree.
func (r *Remote) openGraft(ctx context.Context, user string, names []string, mode ninep.OpenMode) (*mnt.Fsys, func(bool), error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	isNew := slices.Equal(names, []string{"infer", "new"})
	if !mode.Writable() && !isNew {
		fs, leave, err := r.ctl.tree(ctx, user)
		return fs, func(bool) { leave() }, err
	}
	l, err := r.alone()
	if err != nil {
		return nil, nil, err
	}
	fs, leave, err := l.tree(ctx, user)
	if err != nil {
		r.notAlone(l, false)
		return nil, nil, err
	}
	return fs, func(hungup bool) {
		leave()
		r.notAlone(l, !hungup && !isNew)
	}, nil
}

// Connections for one file each.
const (
	mostLone  = 1024
	mostSpare = 8 // kept for the next
)

// alone gives a link that nobody else uses.
func (r *Remote) alone() (*link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lone) >= mostLone {
		return nil, ninep.ErrTooMany
	}
	l := &link{r: r}
	if n := len(r.spare); n > 0 {
		l, r.spare = r.spare[n-1], r.spare[:n-1]
	}
	r.lone[l] = true
	return l, nil
}

// notAlone gives l back; what cannot be used again is hung up.
func (r *Remote) notAlone(l *link, again bool) {
	r.mu.Lock()
	delete(r.lone, l)
	again = again && !r.closed && len(r.spare) < mostSpare
	if again {
		r.spare = append(r.spare, l)
	}
	r.mu.Unlock()
	if !again {
		l.close()
	}
}
