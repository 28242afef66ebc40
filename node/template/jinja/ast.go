package jinja

// An expr is a node of an expression; a stmt one of the template's body.
type (
	expr interface{ eval(r *run, sc *scope) any }
	stmt interface{ exec(r *run, sc *scope) flow }
)

// A flow says how a statement ended.
type flow int

const (
	flowNext flow = iota
	flowBreak
	flowContinue
)

// Expressions.
type (
	constant struct{ v any }
	name     struct{ id string }
	listLit  struct {
		items []expr
		tuple bool
	}
	dictLit struct{ keys, vals []expr }
	getAttr struct {
		x    expr
		name string
	}
	getItem struct{ x, key expr }
	slice   struct{ x, from, to, step expr } // nil: left out
	call    struct {
		fn   expr
		args argList
	}
	filter struct {
		x    expr // nil: the text of a block
		name string
		args argList
	}
	test struct {
		x    expr
		name string
		args argList
		not  bool
	}
	unary struct {
		op string // - + not
		x  expr
	}
	binary struct {
		op   string // + - * / // % ** ~ and or
		l, r expr
	}
	comparison struct {
		x    expr
		ops  []string // == != < <= > >= in, "not in"
		rest []expr
	}
	conditional struct{ x, cond, els expr } // els nil: undefined
)

// An argList is what stands in the parentheses of a call.
type argList struct {
	pos   []expr
	kw    []kwarg
	star  expr // *args
	star2 expr // **kwargs
}

type kwarg struct {
	name string
	x    expr
}

// Statements.
type (
	data   struct{ text string }
	output struct {
		x    expr
		line int
	}
	ifStmt struct {
		conds  []expr
		bodies [][]stmt
		els    []stmt
		line   int
	}
	forStmt struct {
		target    target
		x, cond   expr
		recursive bool
		body, els []stmt
		line      int
	}
	setStmt struct {
		target target
		x      expr   // nil: the text of body
		body   []stmt // of {% set x %}...{% endset %}
		pipe   []filter
		line   int
	}
	macroStmt struct {
		name   string
		params []param
		body   []stmt
	}
	callStmt struct {
		params []param
		call   expr
		body   []stmt
		line   int
	}
	filterStmt struct {
		pipe []filter
		body []stmt
		line int
	}
	withStmt struct {
		targets []target
		vals    []expr
		body    []stmt
		line    int
	}
	group  struct{ body []stmt } // {% generation %}, {% block %}
	doStmt struct {
		x    expr
		line int
	}
	jump struct{ f flow }
)

// A target is what a value is stored to: a name, ns.attr, or several names.
type target struct {
	id, attr string
	parts    []target
}

type param struct {
	name  string
	deflt expr
}
