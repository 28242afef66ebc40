package gbnf

import "fmt"

// Bounds of what the library does with a grammar. It recurses from rule to
// rule without remembering where it was, and holds every way in which a text
// can go on as a stack of its own.
const (
	maxChain = 1000    // rules that begin with each other
	maxCalls = 5000000 // visits of its search for left recursion
	maxWays  = 10000   // characters that can come next, by the way to them
)

// check refuses left recursion, as llama.cpp does in
// llama_grammar_detect_left_recursion, and what it does not see or what would
// take it too long. A rule is named by where it comes from.
func (g *Grammar) check() error {
	n := len(g.rules)
	direct := make([]bool, n) // has an empty alternate: all that llama.cpp looks for
	for i, r := range g.rules {
		direct[i] = hasEmpty(r)
	}
	nullable := g.nullable(direct)

	// llama.cpp's own check: any cycle of first rules.
	edges := g.firsts(direct)
	w := walk{edges: edges, state: make([]uint8, n), calls: make([]int, n), depth: make([]int, n)}
	total := 0
	for i := range g.rules {
		if cyc := w.visit(i, 0); cyc >= 0 {
			return g.fault(cyc, "refers to itself on its left")
		}
		if w.deep {
			return g.fault(i, "begins a chain of over %d rules", maxChain)
		}
		total = min(total+w.calls[i], maxCalls)
	}
	if total >= maxCalls {
		return &Error{Text: "rules branch too much into each other on their left"}
	}

	// A rule can also be empty by way of others. A cycle through such a rule
	// goes on for ever in the library if something is left to do after it.
	edges = g.firsts(nullable)
	comp := components(edges)
	for i, es := range edges {
		for _, e := range es {
			if e.more && comp[i] == comp[e.to] {
				return g.fault(i, "refers to itself on its left, after what can be empty")
			}
		}
	}

	for i, ways := range g.ways(edges, nullable, comp) {
		if ways > maxWays {
			return g.fault(i, "can begin in over %d ways", maxWays)
		}
	}
	if i, found := g.costly(); found {
		return g.fault(i, "can be read in too many ways: parts that can repeat follow each other and take the same characters")
	}
	return nil
}

func (g *Grammar) fault(i int, format string, a ...any) error {
	return &Error{Text: "rule " + g.names[i] + " " + fmt.Sprintf(format, a...)}
}

func hasEmpty(r rule) bool {
	start := true
	for _, e := range r {
		if e.kind == elemAlt || e.kind == elemEnd {
			if start {
				return true
			}
			start = true
			continue
		}
		start = false
	}
	return false
}

// nullable says of each rule whether it can be empty: an alternate of nothing
// but references can, once all of these can.
func (g *Grammar) nullable(direct []bool) []bool {
	type alt struct{ of, left int } // left: references that may not be empty yet
	var alts []alt
	in := make([][]int, len(g.rules)) // by rule: the alternates that name it
	for i, r := range g.rules {
		start := 0
		for k, e := range r {
			if e.kind != elemAlt && e.kind != elemEnd {
				continue
			}
			if refs, ok := onlyRefs(r[start:k]); ok {
				for _, id := range refs {
					in[id] = append(in[id], len(alts))
				}
				alts = append(alts, alt{i, len(refs)})
			}
			start = k + 1
		}
	}
	out := append([]bool(nil), direct...)
	var todo []int
	for i, empty := range out {
		if empty {
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, a := range in[i] {
			if alts[a].left--; alts[a].left == 0 && !out[alts[a].of] {
				out[alts[a].of] = true
				todo = append(todo, alts[a].of)
			}
		}
	}
	return out
}

func onlyRefs(alt []elem) (ids []uint32, ok bool) {
	for _, e := range alt {
		if e.kind != elemRef {
			return nil, false
		}
		ids = append(ids, e.val)
	}
	return ids, len(ids) > 0
}

// An edge leads to a rule that another can begin with; more says that
// something follows it there.
type edge struct {
	to   int
	more bool
}

// firsts gives the edges of each rule, if the rules in empty can be empty.
func (g *Grammar) firsts(empty []bool) [][]edge {
	out := make([][]edge, len(g.rules))
	for i, r := range g.rules {
		first := true
		for k, e := range r {
			switch e.kind {
			case elemAlt, elemEnd:
				first = true
			case elemRef:
				if first {
					next := r[k+1].kind
					out[i] = append(out[i], edge{int(e.val), next != elemAlt && next != elemEnd})
					first = empty[e.val]
				}
			default:
				first = false
			}
		}
	}
	return out
}

// A walk is a search for cycles that also counts what llama.cpp's would cost.
type walk struct {
	edges [][]edge
	state []uint8 // 0 new, 1 in progress, 2 done
	calls []int
	depth []int // of the chain that begins here
	deep  bool
}

// visit gives a rule on a cycle, -1 if there is none.
func (w *walk) visit(i, depth int) int {
	switch {
	case w.state[i] == 1:
		return i
	case w.state[i] == 2:
		return -1
	case depth > maxChain:
		w.deep = true
		return -1
	}
	w.state[i] = 1
	calls := 1
	for _, e := range w.edges[i] {
		if c := w.visit(e.to, depth+1); c >= 0 {
			return c
		}
		calls = min(calls+w.calls[e.to], maxCalls)
		w.depth[i] = max(w.depth[i], w.depth[e.to]+1)
	}
	w.deep = w.deep || w.depth[i] > maxChain
	w.calls[i] = calls
	w.state[i] = 2
	return -1
}

// components gives each rule the number of its strongly connected component
// (Tarjan), without recursion as chains of tails can be long.
func components(edges [][]edge) []int {
	n := len(edges)
	comp, index, low := make([]int, n), make([]int, n), make([]int, n)
	on := make([]bool, n)
	next, count := 1, 0
	var stack []int
	type frame struct{ v, e int }
	for s := range n {
		if index[s] != 0 {
			continue
		}
		work := []frame{{s, 0}}
		for len(work) > 0 {
			f := &work[len(work)-1]
			v := f.v
			if f.e == 0 {
				index[v], low[v] = next, next
				next++
				stack, on[v] = append(stack, v), true
			}
			if f.e < len(edges[v]) {
				u := edges[v][f.e].to
				f.e++
				if index[u] == 0 {
					work = append(work, frame{u, 0})
				} else if on[u] {
					low[v] = min(low[v], index[u])
				}
				continue
			}
			work = work[:len(work)-1]
			if len(work) > 0 {
				u := work[len(work)-1].v
				low[u] = min(low[u], low[v])
			}
			if low[v] == index[v] {
				for {
					u := stack[len(stack)-1]
					stack, on[u] = stack[:len(stack)-1], false
					comp[u] = count
					if u == v {
						break
					}
				}
				count++
			}
		}
	}
	return comp
}

// ways counts for each rule the characters it can begin with, each as often
// as there are ways to it. Within a component they are the same stacks.
func (g *Grammar) ways(edges [][]edge, nullable []bool, comp []int) []int {
	// Tarjan numbers a component after all that it leads to.
	byComp := make([][]int, len(g.rules))
	for i, c := range comp {
		byComp[c] = append(byComp[c], i)
	}
	out := make([]int, len(g.rules))
	for _, members := range byComp {
		sum := 0
		for _, i := range members {
			for _, e := range edges[i] {
				if comp[e.to] != comp[i] {
					sum = min(sum+out[e.to], maxWays+1)
				}
			}
			sum = min(sum+g.terminals(i, nullable), maxWays+1)
		}
		for _, i := range members {
			out[i] = sum
		}
	}
	return out
}

// terminals counts the characters and tokens that rule i begins with itself.
func (g *Grammar) terminals(i int, nullable []bool) int {
	n, first := 0, true
	for _, e := range g.rules[i] {
		switch e.kind {
		case elemAlt, elemEnd:
			first = true
		case elemRef:
			first = first && nullable[e.val]
		default:
			if first {
				n++
			}
			first = false
		}
	}
	return n
}
