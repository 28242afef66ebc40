package mnt

import "sync"

// Paths gives files of other servers qid.paths of this one: the same for the
// same file, and no other file has it. Only the last few hundred thousand
// files that were asked for are remembered; one that comes back after that
// has another path, as if it had been made anew.
type Paths struct {
	New func() uint64 // gives a path that nothing has; set before use

	mu         sync.Mutex // guards below
	young, old map[remoteFile]uint64
}

// A remoteFile is a file of one start of a server.
type remoteFile struct {
	start string
	path  uint64
}

// mostPaths is how many young ones make the young ones old.
const mostPaths = 1 << 17

// Path gives the path of a file that the server which is in its start start
// calls path.
func (p *Paths) Path(start string, path uint64) uint64 {
	k := remoteFile{start, path}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, ok := p.young[k]; ok {
		return n
	}
	n, ok := p.old[k]
	if !ok {
		n = p.New()
	}
	if p.young == nil || len(p.young) >= mostPaths {
		p.young, p.old = make(map[remoteFile]uint64), p.young
	}
	p.young[k] = n
	return n
}
