package mnt

import (
	"context"

	"llama9/ninep"
)

// A Fid names a file of the server that is not open. It is given back with
// Clunk, or by Open, Create and Remove, which use it up whatever they return.
type Fid struct {
	c   *Conn
	num uint32
	qid ninep.Qid // constant once the walk or attach is done

	// Guarded by c.mu.
	refs  int  // calls under way that name it
	named bool // a message that would bring it to life was sent
	gone  bool // a Tclunk or Tremove was sent: nothing may follow
	dead  bool // the server has forgotten it, or never knew it
	put   bool // its number was given back

	// A server that takes up messages in another order can say that it
	// does not know a fid, and then make it.
	alive  bool // a walk or attach to it succeeded
	missed bool // its Tclunk or Tremove did not find it
}

// newFid takes a number that the server does not know.
func (c *Conn) newFid() *Fid {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &Fid{c: c}
	if n := len(c.freeFid); n > 0 {
		f.num = c.freeFid[n-1]
		c.freeFid = c.freeFid[:n-1]
		return f
	}
	f.num = c.nextFid
	c.nextFid++
	return f
}

// dropFid gives back a fid that no message named.
func (c *Conn) dropFid(f *Fid) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.gone, f.dead = true, true
	f.refs++
	c.unref(f)
}

// unref ends one call's use of f. The number is given back when the server
// does not know it and no message that names it is under way.
func (c *Conn) unref(f *Fid) {
	f.refs--
	switch {
	case !f.dead || f.refs > 0 || f.put:
	case f.alive && f.missed:
		f.alive, f.dead, f.gone = false, false, false
		c.clunkLocked(f)
	default:
		f.put, f.gone = true, true
		c.freeFid = append(c.freeFid, f.num)
	}
}

// clunkLocked sends a Tclunk that nobody waits for.
func (c *Conn) clunkLocked(f *Fid) {
	if f.gone {
		return
	}
	k, err := c.newCall(&ninep.Fcall{Type: ninep.Tclunk, Fid: f.num})
	if err != nil {
		return // a Tclunk can always be encoded
	}
	k.fid = f
	k.abandoned = true
	c.startLocked(k)
}

// forget clunks f without waiting for the answer.
func (f *Fid) forget() {
	f.c.mu.Lock()
	f.c.clunkLocked(f)
	f.c.mu.Unlock()
}

// rpc makes the call of a message that names f.
func (f *Fid) rpc(tx *ninep.Fcall) (*call, error) {
	tx.Fid = f.num
	k, err := f.c.newCall(tx)
	if err == nil {
		k.fid = f
	}
	return k, err
}

// simple does a call whose reply has nothing in it.
func (f *Fid) simple(ctx context.Context, tx *ninep.Fcall) error {
	k, err := f.rpc(tx)
	if err != nil {
		return err
	}
	err = f.c.do(ctx, k)
	if err == nil {
		k.recycle()
	}
	return err
}

// Qid is the server's name for the file.
func (f *Fid) Qid() ninep.Qid { return f.qid }

// walkCall makes the call that walks names from f to to.
func (f *Fid) walkCall(to *Fid, names []string) (*call, error) {
	k, err := f.rpc(&ninep.Fcall{Type: ninep.Twalk, Newfid: to.num, Wname: names})
	if err != nil {
		return nil, err
	}
	k.names = len(names)
	if to != f {
		k.newfid = to
	}
	return k, nil
}

// Walk gives a new Fid for the file that is found from f by names, which may
// be "..", any number of them, and none for another Fid of the same file. See
// walk(5).
func (f *Fid) Walk(ctx context.Context, names ...string) (*Fid, error) {
	to := f.c.newFid()
	from := f
	for {
		step := names[:min(len(names), ninep.MaxWalk)]
		names = names[len(step):]
		k, err := from.walkCall(to, step)
		if err == nil {
			err = f.c.do(ctx, k)
		} else if from == f {
			f.c.dropFid(to)
			return nil, err
		}
		if err != nil {
			if from == to {
				to.forget()
			}
			return nil, err
		}
		to.walked(from, k)
		if len(names) == 0 {
			return to, nil
		}
		from = to
	}
}

// walked notes the qid that a walk from from has come to.
func (f *Fid) walked(from *Fid, k *call) {
	f.qid = from.qid
	if n := len(k.rx.Wqid); n > 0 {
		f.qid = k.rx.Wqid[n-1]
	}
}

// Open opens the file. See open(5).
func (f *Fid) Open(ctx context.Context, mode ninep.OpenMode) (*File, error) {
	return f.opened(ctx, &ninep.Fcall{Type: ninep.Topen, Mode: mode}, mode)
}

// Create makes the file name in the directory f and opens it. See open(5).
func (f *Fid) Create(ctx context.Context, name string, perm uint32, mode ninep.OpenMode) (*File, error) {
	return f.opened(ctx, &ninep.Fcall{Type: ninep.Tcreate, Name: name, Perm: perm, Mode: mode}, mode)
}

func (f *Fid) opened(ctx context.Context, tx *ninep.Fcall, mode ninep.OpenMode) (*File, error) {
	k, err := f.rpc(tx)
	if err == nil {
		err = f.c.do(ctx, k)
	}
	if err != nil {
		f.forget()
		return nil, err
	}
	file := &File{fid: f, mode: mode}
	file.answered(k)
	return file, nil
}

// Stat describes the file. See stat(5).
func (f *Fid) Stat(ctx context.Context) (ninep.Stat, error) {
	k, err := f.rpc(&ninep.Fcall{Type: ninep.Tstat})
	if err != nil {
		return ninep.Stat{}, err
	}
	if err := f.c.do(ctx, k); err != nil {
		return ninep.Stat{}, err
	}
	return k.stat()
}

// stat is the stat of a good Rstat.
func (k *call) stat() (ninep.Stat, error) {
	s, rest, err := ninep.DecodeStat(k.rx.Stat)
	if err == nil && len(rest) > 0 {
		err = protocolError("Rstat: %d bytes behind the stat", len(rest))
	}
	return s, err
}

// Wstat changes what c says, all of it or nothing. See stat(5).
func (f *Fid) Wstat(ctx context.Context, c ninep.StatChange) error {
	return f.simple(ctx, &ninep.Fcall{Type: ninep.Twstat, Stat: ninep.AppendStatChange(nil, &c)})
}

// Remove removes the file. See remove(5).
func (f *Fid) Remove(ctx context.Context) error {
	return f.simple(ctx, &ninep.Fcall{Type: ninep.Tremove})
}

// Clunk gives f back. When ctx is done first it returns, but the server gets
// the message all the same. See clunk(5).
func (f *Fid) Clunk(ctx context.Context) error {
	return f.simple(ctx, &ninep.Fcall{Type: ninep.Tclunk})
}
