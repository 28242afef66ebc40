// Package coord is the coordinator: a styxfs.Backend that places turns on
// mounted nodes, watches their health, and goes on with a running answer on
// another node when one is lost.
//
// What decides is free of clocks, goroutines and I/O: cluster.go (what is known
// of the nodes), strategy.go (where a turn runs), prefix.go (who has seen its
// beginning), health.go (who is alive), queue.go (whose turn is next), turn.go
// (how it goes on elsewhere). What acts is coord.go, which is asked for turns,
// try.go, a turn on one node, and member.go, the goroutine of a node. A node is
// spoken to through place.go, which remote.go is over mnt.
package coord
