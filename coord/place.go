package coord

import (
	"context"
	"errors"
	"time"

	"llama9/styxfs"
)

// A Place is a mounted node as a place to run turns; Remote is one over mnt,
// and tests have one of their own. It stands for an address, not for a
// connection: what it is asked after a loss it does over a new connection, or
// fails. Its methods are called from many goroutines at once.
type Place interface {
	// Generate runs one turn, as styxfs.Backend's does: it returns when the
	// turn has ended, or soon after ctx is done. Whatever it tells sink is a
	// sign of life. The Request's Prefix is written to token, and a Note has
	// its PrefixText; r.Session is a number of the coordinator's, and the
	// same one may get the same session of the node again while the node's
	// start is the same.
	//
	// An error that Is ErrLost says that the node did not end the turn: it
	// hung up, shut down, could not be reached, said what is no answer, or no
	// longer knows the session. What sink got until then stands. One that Is
	// ErrRefused says that the node would not begin it now, and it can be
	// begun elsewhere: queue full, draining, too many sessions. Every other
	// end is the turn's own, whatever node it had run on.
	Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error)

	// Probe reads the node's status. It loads no model.
	Probe(ctx context.Context) (Status, error)

	// Models reads the node's model table; nil if it does not answer.
	Models(ctx context.Context) []styxfs.Model

	// Events calls each with every line of the node's root event, in order
	// and without the newline, until ctx is done or the node is lost. It calls
	// open first, once no event is missed any more.
	Events(ctx context.Context, open func(), each func(line string)) error

	// Forget lets the node drop what it keeps for a session. It does not
	// block.
	Forget(session uint64)

	// Close ends the use of the node: turns under way are lost.
	Close() error
}

// Errors of Place.Generate, see there.
var (
	ErrLost    = errors.New("node lost")
	ErrRefused = errors.New("node refused")
)

// A Status is what a node's root status says.
type Status struct {
	ID     string    // random, of this start: with another one the node has started anew
	Start  time.Time // of the node
	State  string    // ready, draining
	Slots  int
	Busy   int
	Queue  int
	Rate   float64  // tokens a second
	Engine string   // of a node; a coordinator has none
	Below  []string // a coordinator's: the IDs of all that is mounted in it, and below those
}
