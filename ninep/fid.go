package ninep

import "context"

// A place is a file and the way to it: ".." is answered by up. The root of an
// attach has none.
type place struct {
	up   *place
	node Node
}

// An openFile is what a fid holds once it is open.
type openFile struct {
	handle Handle
	mode   OpenMode
	reader Reader // these five are handle, where it can
	waiter Waiter
	writer Writer
	dir    DirReader

	notifier Notifier

	// A directory's entries as read at offset 0; one Tread at a time.
	entries []Stat
	counted int    // of them, in conn.snaps
	nextDir uint64 // the offset that the next Tread must have

	fills  bool // its client may send what fill is about
	fill   fill
	locks  bool   // it may have locks, on the file of
	locked uint64 // this path
}

// A fid is a client's name for a file. See intro(5). All is guarded by the
// connection's mu.
//
// Requests on a fid begin in order of arrival. Those that change it or write
// run alone; a Tread, a Twalk to another fid and a Tstat begin when those
// before them are over, but hold nobody up; so do the like of them in 9P2000.L. Tclunk and Tremove moreover end
// the Treads that still run, and wait for them.
type fid struct {
	num   uint32
	who   *Attach
	place *place
	open  *openFile
	gone  bool     // it came to nothing, by a failed walk or attach
	busy  bool     // a request runs alone, or is what makes the fid
	dir   *request // the Tread of a directory that runs alone
	queue line     // waits; not empty only while busy
	reads *request // the Treads that run, linked by before and after
	drain *request // the clunk that waits for their end
}

// start says whether r can begin now, and if so notes that it did.
func (f *fid) start(r *request) bool {
	if f.busy {
		return false
	}
	switch {
	case r.op == opRead && !(f.open != nil && f.open.dir != nil):
		if r.after = f.reads; r.after != nil {
			r.after.before = r
		}
		f.reads, r.reading = r, true
	case r.beside():
	default:
		f.busy = true
		if r.reads() {
			f.dir = r
		}
		if (r.op == opClunk || r.op == opRemove) && f.reads != nil {
			for p := f.reads; p != nil; p = p.after {
				p.ctx.c.stop(p)
			}
			f.drain = r
			f.note(r)
			return false
		}
	}
	f.note(r)
	return true
}

// beside says whether r holds up nothing that comes after it on its fid.
func (r *request) beside() bool {
	switch r.op {
	case opStat, opGetattr, opReadlink, opStatfs, opGetlock, opRefuse:
		return true
	}
	return r.op == opWalk && r.newFid != nil
}

// reads says whether r reads a file or directory.
func (r *request) reads() bool { return r.op == opRead || r.op == opReaddir }

// note lets r see f as it is at r's start.
func (f *fid) note(r *request) {
	r.started = true
	r.place, r.open, r.who, r.gone = f.place, f.open, f.who, f.gone
}

// end notes that r, which had begun, is over, and adds to run what can begin.
func (f *fid) end(r *request, run *line) {
	switch {
	case r.reading:
		if r.before != nil {
			r.before.after = r.after
		} else {
			f.reads = r.after
		}
		if r.after != nil {
			r.after.before = r.before
		}
		r.before, r.after, r.reading = nil, nil, false
		if f.reads == nil && f.drain != nil {
			run.push(f.drain)
			f.drain = nil
		}
	case r.beside():
	default:
		f.busy, f.dir = false, nil
		f.pump(run)
	}
}

// endDir cancels the reads of a directory before a clunk: one that runs, and
// those in line behind it.
func (f *fid) endDir() {
	if f.dir == nil {
		return
	}
	f.dir.ctx.cancel(context.Canceled)
	for r := f.queue.head; r != nil; r = r.next {
		if r.reads() {
			r.ctx.cancel(context.Canceled)
		}
	}
}

// pump begins what waits.
func (f *fid) pump(run *line) {
	for f.queue.head != nil && !f.busy {
		r := f.queue.pop()
		if f.start(r) {
			run.push(r)
		}
	}
}
