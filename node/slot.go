package node

// A slot is one sequence of a Context and what is known of it. The worker
// owns it; choose and plan decide over slots without touching the Context.
type slot struct {
	seq     Seq
	cached  []Token // what the sequence holds, by position
	todo    []Token // what is to be decoded after it
	turn    *turn   // whose it is; nil: idle, and cached is a prefix to reuse
	session uint64  // of the last turn
	forget  bool    // cached goes when the turn has ended
	used    uint64  // tick of the last use
	decodes bool    // todo is the last pick, not a prompt
	logits  int     // positions from here on ask for logits

	one       [1]Token // todo while it decodes
	row, rows int      // of the step under way: where its rows begin, and how many
}

// A choice is where a turn goes.
type choice struct {
	slot int  // -1: nowhere now
	from int  // copy this slot's sequence first; equal to slot: no copy
	keep int  // tokens of ids that are then in the sequence
	wait bool // a slot is about to hold more of ids: ask again after a step
}

// patience is how many tokens more another slot's prefill must promise before
// a turn waits for it.
const patience = 16

// choose finds the slot for a turn of session that is to decode ids. The
// longest prefix of ids that any slot holds, busy or idle, is reused: an idle
// slot is taken as it is if it was the session's own or nothing much is lost,
// else its prefix is copied to the slot least recently used, and the cache of
// the other session stays. At least one token is left to decode. most bounds
// what is reused (0: nothing).
func choose(slots []slot, session uint64, ids []Token, most int) choice {
	most = min(most, len(ids)-1)
	best, bestN := -1, 0
	victim := -1
	promised := 0
	for i := range slots {
		s := &slots[i]
		n := common(s.cached, ids, most)
		if n > bestN || n == bestN && n > 0 && s.turn == nil && (slots[best].turn != nil || s.session == session) {
			best, bestN = i, n
		}
		if s.turn == nil {
			if victim < 0 || better(s, &slots[victim]) {
				victim = i
			}
		} else if !s.decodes && n == min(len(s.cached), most) {
			promised = max(promised, n+common(s.todo, ids[n:], most-n))
		}
	}
	switch {
	case victim < 0:
		return choice{slot: -1}
	case promised >= bestN+patience:
		return choice{slot: -1, wait: true}
	case best < 0:
		return choice{slot: victim, from: victim}
	case slots[best].turn == nil && (best == victim || slots[best].session == session || len(slots[best].cached)-bestN < patience):
		return choice{slot: best, from: best, keep: bestN}
	}
	return choice{slot: victim, from: best, keep: bestN}
}

// better says whether a is the better victim: empty, or used longer ago.
func better(a, b *slot) bool {
	if (len(a.cached) == 0) != (len(b.cached) == 0) {
		return len(a.cached) == 0
	}
	return a.used < b.used
}

// common counts the tokens that a and b begin with alike, up to most.
func common(a, b []Token, most int) int {
	n := min(len(a), len(b), most)
	for i := 0; i < n; i++ {
		if a[i] != b[i] {
			return i
		}
	}
	return max(n, 0)
}

// idleLRU gives the idle slot with a cache that was used longest ago; -1: none.
func idleLRU(slots []slot) int {
	lru := -1
	for i := range slots {
		s := &slots[i]
		if s.turn == nil && len(s.cached) > 0 && (lru < 0 || s.used < slots[lru].used) {
			lru = i
		}
	}
	return lru
}
