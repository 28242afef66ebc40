// Package node is the scheduler of one server: it puts turns on the slots of
// loaded models, decodes them together, samples, and tells their sinks what
// was made. It is a styxfs.Backend over an Engine.
//
// What decides is free of clocks, goroutines and I/O: package queue (whose turn
// is next), slot.go (where it runs, and what it reuses), plan.go (what a step
// decodes), seat.go (which models are in memory), pick.go (which token is
// drawn), release.go (what text may be shown). What acts is worker.go, one
// goroutine for a loaded model, and node.go, which hands it turns.
package node
