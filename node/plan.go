package node

// quantum is how many tokens of one prompt a step decodes at least, where it
// decodes more prompts than one. Attention is computed sequence by sequence in
// tiles of rows (GGML_FA_TILE_Q, ggml-cpu/common.h), so many prompts with few
// rows each cost more than few with many: of 32 prompts at once, 16 rows each a
// step were 0.87 of the speed of whole prompts one after the other, 64 were 0.97
// and 128 were 1.12.
const quantum = 128

// plan appends the rows of the next step: first the one row of every turn that
// decodes, then prefill, at most one nubatch of it, so that a cancel never waits
// for more, and no more than nbatch rows in all. Prefill is shared evenly among
// the slots that have some, as many of them as get a quantum each; who comes
// too late has the next step. first is the slot where the sharing begins; next is
// where the one after this should. The slots' row and rows say where theirs are.
func plan(slots []slot, first, nbatch, nubatch int, rows []Row) (all []Row, next int) {
	decodes, fills := 0, 0
	for i := range slots {
		s := &slots[i]
		s.rows = 0
		switch {
		case s.turn == nil || len(s.todo) == 0:
		case s.decodes:
			if decodes < nbatch {
				s.rows = 1
				decodes++
			}
		default:
			fills++
		}
	}
	// Decodes and prefill fill one n_ubatch together where that leaves the
	// prefill half of it: a row more would cost a pass over the weights.
	budget := min(max(nubatch-decodes, (nubatch+1)/2), nbatch-decodes)
	next = first
	for budget > 0 && fills > 0 {
		share := max(budget/fills, quantum)
		fills = 0
		for j := range slots {
			i := (first + j) % len(slots)
			s := &slots[i]
			if s.turn == nil || s.decodes || len(s.todo) == s.rows {
				continue
			}
			if budget == 0 {
				break
			}
			n := min(share, len(s.todo)-s.rows, budget)
			s.rows += n
			budget -= n
			next = (i + 1) % len(slots)
			if len(s.todo) > s.rows {
				fills++
			}
		}
	}
	for i := range slots {
		s := &slots[i]
		s.row = len(rows)
		pos := len(s.cached)
		for j := 0; j < s.rows; j++ {
			rows = append(rows, Row{Token: s.todo[j], Pos: int32(pos + j), Seq: s.seq, Logits: pos+j >= s.logits})
		}
	}
	return rows, next
}
