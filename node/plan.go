package node

// plan appends the rows of the next step: first the one row of every turn that
// decodes, then prefill, shared evenly among the slots that have some, at most
// one nubatch of it, so that a cancel never waits for more, and no
// more than nbatch rows in all. first is the slot that gets what is left over by the
// division; it goes round. The slots' row and rows say where theirs are.
func plan(slots []slot, first, nbatch, nubatch int, rows []Row) []Row {
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
	for budget > 0 && fills > 0 {
		share := max(budget/fills, 1)
		fills = 0
		for j := range slots {
			s := &slots[(first+j)%len(slots)]
			if s.turn == nil || s.decodes || len(s.todo) == s.rows || budget == 0 {
				continue
			}
			n := min(share, len(s.todo)-s.rows, budget)
			s.rows += n
			budget -= n
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
	return rows
}
