package coord

import (
	"container/list"
	"hash/maphash"

	"llama9/styxfs"
)

// Which node has seen how much of a conversation is known without tokens: by a
// hash chain over blocks of the chat as it is shown, the first of them only.
const (
	blockSize   = 1 << 10
	mostBlocks  = 64   // of a chat
	nodeBlocks  = 8192 // that are remembered of a node
	mostHolders = 8    // that are remembered of a block
)

var seed = maphash.MakeSeed()

// chainOf gives the chain of a conversation: the hash of a block is of it and
// all before it. A last part shorter than a block is left out.
func chainOf(messages []styxfs.Message) (chain []uint64, size int) {
	var h maphash.Hash
	h.SetSeed(seed)
	var buf []byte
	for i := range messages {
		size += len(messages[i].Content)
		if len(chain) == mostBlocks {
			continue
		}
		m := messages[i]
		// What is beyond the last block makes no difference.
		if most := (mostBlocks + 1) * blockSize; len(m.Content) > most {
			m.Content = m.Content[:most]
		}
		buf = styxfs.AppendMessage(buf, &m)
		for len(buf) >= blockSize && len(chain) < mostBlocks {
			h.Write(buf[:blockSize])
			chain = append(chain, h.Sum64())
			buf = buf[:copy(buf, buf[blockSize:])]
		}
	}
	return chain, size
}

// prefixes are the blocks that one node has seen, the last used ones.
type prefixes struct {
	blocks map[uint64]*list.Element
	order  list.List // of uint64, the last used first
}

// An index finds the nodes that have seen a block.
type index map[uint64][]*node

// saw notes that n has seen chain.
func (x index) saw(n *node, chain []uint64) {
	p := &n.prefixes
	if p.blocks == nil {
		p.blocks = make(map[uint64]*list.Element)
	}
	// From the end on, so that the beginnings of chains are the last to go.
	for i := len(chain) - 1; i >= 0; i-- {
		b := chain[i]
		if e := p.blocks[b]; e != nil {
			p.order.MoveToFront(e)
			continue
		}
		p.blocks[b] = p.order.PushFront(b)
		x.add(n, b)
	}
	for len(p.blocks) > nodeBlocks {
		x.drop(n, p.order.Back().Value.(uint64))
	}
}

// add makes n a holder of b, in place of the one longest known if there are
// many: where that many have it, placement goes by load anyway.
func (x index) add(n *node, b uint64) {
	l := x[b]
	if len(l) == mostHolders {
		old := l[0]
		l = l[:copy(l, l[1:])]
		old.prefixes.forget(b)
	}
	x[b] = append(l, n)
}

func (p *prefixes) forget(b uint64) {
	if e := p.blocks[b]; e != nil {
		p.order.Remove(e)
		delete(p.blocks, b)
	}
}

// drop forgets that n has seen b.
func (x index) drop(n *node, b uint64) {
	n.prefixes.forget(b)
	l := x[b]
	for i, h := range l {
		if h == n {
			l = append(l[:i], l[i+1:]...)
			break
		}
	}
	if len(l) == 0 {
		delete(x, b)
	} else {
		x[b] = l
	}
}

// clear forgets all that n has seen: it has started anew, or is gone.
func (x index) clear(n *node) {
	for b := range n.prefixes.blocks {
		x.drop(n, b)
	}
}

// match is how many blocks of chain n has seen, from the first on.
func (n *node) match(chain []uint64) int {
	for i, b := range chain {
		if n.prefixes.blocks[b] == nil {
			return i
		}
	}
	return len(chain)
}

// correct takes back what the tokens that came from a cache show to be wrong:
// of a chain that a node was believed to have seen the first matched blocks of,
// cached of prompt tokens were there.
func (x index) correct(n *node, chain []uint64, matched, prompt, cached int) {
	if matched == 0 || prompt <= 0 || len(chain) == 0 {
		return
	}
	have := cached * len(chain) / prompt
	if have >= matched/2 {
		return // tokens are not spread evenly over the text
	}
	for _, b := range chain[have:matched] {
		x.drop(n, b)
	}
}
