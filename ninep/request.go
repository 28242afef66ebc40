package ninep

import "sync"

// An op is what a request asks for, whatever the dialect calls it.
type op uint8

const (
	opVersion op = iota
	opAuth
	opAttach
	opFlush
	opWalk
	opOpen
	opCreate
	opRead
	opWrite
	opClunk
	opRemove
	opStat
	opWstat
	opMkdir
	opUnlinkat
	opGetattr
	opSetattr
	opReaddir
	opReadlink
	opStatfs
	opFsync
	opLock
	opGetlock
	opRefuse // of a message that this server has not
)

// A request is a message of a client, free of dialect, and what becomes of it.
type request struct {
	ctx reqContext

	// what was asked
	op     op
	tag    uint16
	num    uint32 // the fid
	newNum uint32 // of a walk
	auth   uint32 // the afid of an attach
	oldTag uint16
	msize  uint32
	uname  string // or the version
	aname  string
	nuname uint32
	names  []string
	name   string
	mode   OpenMode
	perm   uint32
	offset uint64
	count  uint32
	data   []byte
	change StatChange
	frame  *block // where data is, if not in the connection's input
	second uint32 // another fid that must be there
	flags  uint32 // of an open in 9P2000.L
	msg    Fcall  // the dialect's own
	l      *Lcall // 9P2000.L's own; nil before the first

	// what was found when it began
	place *place
	open  *openFile
	who   *Attach
	gone  bool // the fid came to nothing
	wait  bool // too much waits to be sent

	// what is answered
	qid   Qid
	qids  []Qid
	stat  Stat
	n     int
	reply *block // a whole Rread
	at    *place // where the fid is now
	opens *openFile

	// guarded by the connection's mu
	fid     *fid
	newFid  *fid
	started bool
	listed  bool // in conn.tags
	mute    bool // not to be answered: the session is over
	flushes []*request
	next    *request // in a line
	parked  bool     // see park.go
	woken   bool     // by its Notifier, which does not know it any more
	fault   error    // a panic of that
	reading bool     // in fid.reads, by the next two
	before  *request
	after   *request
}

var requests = sync.Pool{New: func() any { return new(request) }}

// recycle gives r back, if nobody has it any more.
func (r *request) recycle() {
	r.frame.free()
	r.frame = nil
	if !r.ctx.retire() {
		return
	}
	names, qids, flushes := r.names, r.qids, r.flushes
	wname, wqid, l := r.msg.Wname, r.msg.Wqid, r.l
	clear(names)
	if l != nil {
		*l = Lcall{}
	}
	*r = request{names: names[:0], qids: qids[:0], flushes: flushes[:0], l: l}
	r.msg.Wname, r.msg.Wqid = wname[:0], wqid[:0]
	requests.Put(r)
}

// own copies the data out of the connection's input.
func (r *request) own() {
	if r.frame == nil && len(r.data) > 0 {
		r.frame = newBlock(len(r.data))
		copy(r.frame.b, r.data)
		r.data = r.frame.b
	}
}

// A line of requests, first in first out.
type line struct{ head, tail *request }

func (l *line) push(r *request) {
	r.next = nil
	if l.head == nil {
		l.head = r
	} else {
		l.tail.next = r
	}
	l.tail = r
}

func (l *line) pop() *request {
	r := l.head
	l.head = r.next
	r.next = nil
	return r
}

// remove takes r out of the line and says whether it was there.
func (l *line) remove(r *request) bool {
	var prev *request
	for p := l.head; p != nil; prev, p = p, p.next {
		if p != r {
			continue
		}
		if prev == nil {
			l.head = r.next
		} else {
			prev.next = r.next
		}
		if l.tail == r {
			l.tail = prev
		}
		r.next = nil
		return true
	}
	return false
}
