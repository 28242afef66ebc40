package mnt

import (
	"context"
	"errors"
	"slices"

	"llama9/ninep"
)

// A Batch is a row of operations whose messages go out together, so that all
// of it costs one round trip. A server does what is asked of one file in the
// order of the row, but for reads, which may overtake; between files there is
// no order. What must come after something else belongs in the next Batch.
//
//	b := fs.Batch()
//	f := b.Open("infer/new", ninep.ORDWR)
//	r := b.Read(f, buf, 0)
//	err := b.Do(ctx) // then buf[:r.N] is read, and f is open
//
// Each operation has a Result. Do returns the first error, and has then closed
// the files that it opened, but for one; see Keep. A Batch is used once, by one goroutine.
type Batch struct {
	fs  *Fsys
	ops []*op
	err error // of the making of an operation

	keep *File // see Keep
}

// A Result is what became of an operation, to be looked at after Do.
type Result struct {
	N    int        // bytes read or written
	Stat ninep.Stat // of Stat
	Err  error
}

// An op is one operation, made into a message when its turn has come.
type op struct {
	Result
	file  *File
	opens bool  // the walk that brings its file to life
	must  bool  // what follows of the same file is nothing without it
	lasts bool  // to have done it is not to be undone: it may not be done twice
	bare  error // the server's own answer, before settle

	unknown bool     // the answer did not come in time
	later   *Pending // nil: Do waits for the answer
	names   []string // of the walk
	make    func() (*call, error)
	done    func(k *call) error
}

// Batch begins a row of operations.
func (fs *Fsys) Batch() *Batch { return &Batch{fs: fs} }

func (b *Batch) add(o *op) *Result {
	b.ops = append(b.ops, o)
	return &o.Result
}

// Walk finds path. Of the File that it gives only what needs no open file
// may be used: Stat, Wstat, Remove and Close.
func (b *Batch) Walk(path string) *File {
	f := &File{fid: b.fs.root.c.newFid()}
	o := &op{file: f, opens: true, must: true, names: split(path)}
	o.make = func() (*call, error) { return b.fs.root.walkCall(f.fid, o.names) }
	o.done = func(k *call) error {
		f.fid.walked(b.fs.root, k)
		return nil
	}
	b.add(o)
	return f
}

// Open finds path and opens it.
func (b *Batch) Open(path string, mode ninep.OpenMode) *File {
	f := b.Walk(path)
	f.mode = mode
	b.open(f, ninep.Fcall{Type: ninep.Topen, Mode: mode})
	return f
}

// Create finds the directory of path and makes a file in it.
func (b *Batch) Create(path string, perm uint32, mode ninep.OpenMode) *File {
	dir, name := splitLast(path)
	f := b.Walk(dir)
	f.mode = mode
	b.open(f, ninep.Fcall{Type: ninep.Tcreate, Name: name, Perm: perm, Mode: mode})
	return f
}

func (b *Batch) open(f *File, tx ninep.Fcall) {
	b.add(&op{
		file:  f,
		must:  true,
		lasts: tx.Type == ninep.Tcreate,
		make:  func() (*call, error) { return f.fid.rpc(&tx) },
		done: func(k *call) error {
			f.answered(k)
			return nil
		},
	})
}

// Read does one Tread into p, as File.ReadAt does. f may be a file of this
// Batch, or one that was open before.
func (b *Batch) Read(f *File, p []byte, off int64) *Result {
	o := &op{file: f, lasts: true, make: func() (*call, error) { return f.readCall(p, off) }}
	o.done = func(k *call) error {
		o.N = k.n
		return nil
	}
	return b.add(o)
}

// ReadLater is a Read whose answer Do does not wait for: Pending.Wait does,
// and must be called if Do succeeds. So a read that blocks goes out along with
// what is answered at once.
func (b *Batch) ReadLater(f *File, p []byte, off int64) *Pending {
	r := &Pending{f: f, p: p, off: off}
	b.add(&op{
		file: f, lasts: true, later: r,
		make: func() (*call, error) { return f.readCall(p, off) },
		done: func(*call) error { return nil },
	})
	return r
}

// A Pending is a read that was sent, and is waited for later.
type Pending struct {
	f   *File
	p   []byte
	off int64
	k   *call // nil: it is yet to be sent
}

// ReadLater sends what ReadAt does; its answer is Pending.Wait's to give, which
// must be called.
func (f *File) ReadLater(p []byte, off int64) *Pending {
	r := &Pending{f: f, p: p, off: off}
	if k, err := f.readCall(p, off); err == nil { // else Wait finds it
		f.fid.c.start(k)
		r.k = k
	}
	return r
}

// Wait gives what File.ReadAt would. It is called once.
func (r *Pending) Wait(ctx context.Context) (int, error) {
	k := r.k
	if k == nil {
		return r.f.ReadAt(ctx, r.p, r.off)
	}
	c := r.f.fid.c
	if !c.wait(ctx, k) {
		if err := c.cancelled(ctx, k); err != nil {
			return 0, err
		}
		return k.n, nil
	}
	if err := k.result(); errors.Is(err, ninep.ErrBadFid) { // it was taken up before the open
		return r.f.ReadAt(ctx, r.p, r.off)
	} else if err != nil {
		return 0, err
	}
	n := k.n
	k.recycle()
	return n, nil
}

// Cancel flushes the read, in place of Wait: p is the caller's again.
func (r *Pending) Cancel() {
	if r.k != nil {
		r.f.fid.c.cancel([]*call{r.k})
	}
}

// Write does one Twrite of p, which must fit in one: see File.IOUnit.
func (b *Batch) Write(f *File, p []byte, off int64) *Result {
	if len(p) > f.IOUnit() {
		b.err = ninep.ErrTooBig
	}
	o := &op{file: f, lasts: true, make: func() (*call, error) { return f.writeCall(p, off) }}
	o.done = func(k *call) error {
		o.N = int(k.rx.Count)
		return nil
	}
	return b.add(o)
}

// Stat describes f.
func (b *Batch) Stat(f *File) *Result {
	o := &op{file: f, make: func() (*call, error) { return f.fid.rpc(&ninep.Fcall{Type: ninep.Tstat}) }}
	o.done = func(k *call) (err error) {
		o.Result.Stat, err = k.stat()
		return err
	}
	return b.add(o)
}

// Wstat changes f.
func (b *Batch) Wstat(f *File, c ninep.StatChange) *Result {
	return b.plain(f, ninep.Fcall{Type: ninep.Twstat, Stat: ninep.AppendStatChange(nil, &c)})
}

// Remove removes f and closes it.
func (b *Batch) Remove(f *File) *Result { return b.plain(f, ninep.Fcall{Type: ninep.Tremove}) }

// Close ends the use of f. A Tread of it that is in this Batch may be cut
// short by it.
func (b *Batch) Close(f *File) *Result { return b.plain(f, ninep.Fcall{Type: ninep.Tclunk}) }

func (b *Batch) plain(f *File, tx ninep.Fcall) *Result {
	return b.add(&op{
		file:  f,
		lasts: tx.Type != ninep.Tclunk,
		make:  func() (*call, error) { return f.fid.rpc(&tx) },
		done:  func(*call) error { return nil },
	})
}

// Do sends the row and waits for its answers. When ctx is done before, what
// was not done is flushed.
func (b *Batch) Do(ctx context.Context) error {
	c := b.fs.root.c
	err := b.err
	switch {
	case err != nil:
		b.unsent(err)
	case c.sequential.Load() || b.deep():
		err = b.each(ctx, b.ops)
	default:
		err = b.together(ctx)
	}
	if err != nil {
		kept := b.Kept()
		for _, o := range b.ops {
			if o.opens && !(kept && o.file == b.keep) {
				c.discard(o.file.fid)
			}
		}
	}
	return err
}

// Keep leaves f, a file of this Batch, alone when Do fails: where a Tclunk has
// consequences, the caller may have to see to something before it.
func (b *Batch) Keep(f *File) { b.keep = f }

// Kept says, after Do, whether the file that is to be kept is open, or may be:
// the server has not said so in time. It is then the caller's to close.
func (b *Batch) Kept() bool {
	if b.keep == nil {
		return false
	}
	for _, o := range b.ops {
		if o.file == b.keep && o.must && o.Err != nil && !o.unknown {
			return false
		}
	}
	return true
}

// deep says whether some path takes more than one Twalk: a later one that
// failed would leave the fid at a directory on the way, for the next message
// to be done to.
func (b *Batch) deep() bool {
	for _, o := range b.ops {
		if len(o.names) > ninep.MaxWalk {
			return true
		}
	}
	return false
}

// together sends all at once.
func (b *Batch) together(ctx context.Context) error {
	c := b.fs.root.c
	ks := make([]*call, len(b.ops))
	for i, o := range b.ops {
		var err error
		if ks[i], err = o.make(); err != nil {
			b.unsent(err)
			return err
		}
	}
	c.start(ks...)
	now, later := ks, []*call(nil)
	if i := slices.IndexFunc(b.ops, func(o *op) bool { return o.later != nil }); i >= 0 {
		now, later = b.split(ks)
	}
	whole := c.wait(ctx, now...)
	for i, o := range b.ops {
		if o.later == nil {
			o.take(c, ctx, ks[i], whole)
		}
	}
	err := b.settle()
	switch {
	case err != nil && len(later) > 0:
		c.cancel(later)
	case len(later) > 0:
		for i, o := range b.ops {
			if o.later != nil {
				o.later.k = ks[i]
			}
		}
	}
	if !whole || err == nil {
		return err
	}
	if again := b.lost(); len(again) > 0 {
		if err = b.each(ctx, again); err == nil {
			c.sequential.Store(true) // so that was the cause
		}
	}
	return err
}

// unsent is the end of a row of which nothing was sent.
func (b *Batch) unsent(err error) {
	for _, o := range b.ops {
		o.Err = err
	}
}

// split parts the calls that Do waits for from the others.
func (b *Batch) split(ks []*call) (now, later []*call) {
	for i, o := range b.ops {
		if o.later == nil {
			now = append(now, ks[i])
		} else {
			later = append(later, ks[i])
		}
	}
	return now, later
}

// take notes the result of a started call.
func (o *op) take(c *Conn, ctx context.Context, k *call, whole bool) {
	if whole {
		o.Err = k.result()
	} else {
		o.Err = c.cancelled(ctx, k)
		o.unknown = c.isAbandoned(k)
	}
	o.bare = o.Err
	if o.Err == nil {
		o.Err = o.done(k)
	}
	if whole {
		k.recycle()
	}
}

// settle gives what follows a failed open the error of that, and returns the
// first error of all.
func (b *Batch) settle() (first error) {
	failed := map[*File]error{}
	for _, o := range b.ops {
		switch err := failed[o.file]; {
		case o.Err == nil:
		case err != nil:
			o.Err = err
		case o.must:
			failed[o.file] = o.Err
		}
		if first == nil {
			first = o.Err
		}
	}
	return first
}

// lost gives the operations of files that a server has mixed up: it did find
// the file, but in what came along it knew nothing of the fid, or had not
// opened it yet. They can be done again, if nothing came of them.
func (b *Batch) lost() []*op {
	found := map[*File]bool{}
	missed := map[*File]bool{}
	for _, o := range b.ops {
		switch {
		case o.later != nil:
		case o.opens:
			found[o.file] = o.Err == nil
		case errors.Is(o.bare, ninep.ErrBadFid):
			missed[o.file] = true
		case o.bare != nil || o.lasts:
			found[o.file] = false
		}
	}
	var again []*op
	for _, o := range b.ops {
		if found[o.file] && missed[o.file] {
			again = append(again, o)
		}
	}
	return again
}

// each does one operation after the other.
func (b *Batch) each(ctx context.Context, ops []*op) error {
	c := b.fs.root.c
	failed := map[*File]error{}
	for _, o := range ops {
		if err := failed[o.file]; err != nil {
			o.Err = err
			continue
		}
		if o.later != nil {
			continue // Wait sends it
		}
		if o.opens {
			c.discard(o.file.fid)
			var fid *Fid
			if fid, o.Err = b.fs.root.Walk(ctx, o.names...); o.Err == nil {
				o.file.fid = fid
			}
		} else if k, err := o.make(); err != nil {
			o.Err = err
		} else {
			c.start(k)
			o.take(c, ctx, k, c.wait(ctx, k))
		}
		if o.must && o.Err != nil {
			failed[o.file] = o.Err
		}
	}
	return b.settle()
}

// discard clunks f, if the server knows it, and gives back its number.
func (c *Conn) discard(f *Fid) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.put || f.gone:
	case !f.named:
		f.gone, f.dead = true, true
		f.refs++
		c.unref(f)
	case !f.dead:
		c.clunkLocked(f)
	}
}
