package coord

import "time"

// A healthState is what is believed of a node.
type healthState uint8

const (
	dead     healthState = iota // no connection, or no answer for long
	alive                       // takes turns
	slow                        // missed a deadline: takes none
	halfOpen                    // answers again: takes one, to see
)

func (s healthState) String() string { return [...]string{"dead", "alive", "slow", "half-open"}[s] }

// Of deadlines. A node that works answers a probe within the floor, whatever
// its engine does. What its engine may take between two signs is learned from
// its own past.
const (
	floor       = 5 * time.Second
	busyProbe   = 2 * time.Second        // of silence, before a node with turns is probed
	idleProbe   = 5 * time.Second        // the same of one without
	margin      = 4                      // of learned times
	firstGuess  = 100 * time.Millisecond // a token of a prefill, before anything is learned
	gapGuess    = 5 * time.Second        // between tokens, likewise
	longSilence = 30 * time.Second       // a slow node that says nothing for so long is dead
	leastSlow   = time.Second            // a slow node is left alone for this at least
	mostSlow    = time.Minute
)

// health is the state of a node and what its deadlines are made of. It is told
// times and has no clock.
type health struct {
	state healthState

	reply  time.Time // the last sign of life, or when the first was asked for
	engine time.Time // the last sign of its engine
	from   time.Time // when the engine was first asked for one, or its deadline began anew
	probed time.Time // when a probe was sent that is not answered; zero: none is
	jitter float64   // of probes: a part of their time, so that not all go at once

	working  int           // turns in prefill or decode: only they have the engine's deadline
	uncached int           // tokens of the longest prompt in prefill
	gap      time.Duration // longest between two signs of the engine, lately
	perToken time.Duration // of a prefill

	doubted bool // a turn was lost there, and nothing was heard since that shows it alive
	excused bool // it was late when most were, and was not heard since

	patience int // deadlines are doubled so many times
	until    time.Time
	penalty  time.Duration
	trial    time.Time // when the turn began that a half-open node is tried with
}

// open says whether a turn may be given to a node that has so many.
func (h *health) open(inflight int) bool {
	return !h.doubted && (h.state == alive || h.state == halfOpen && inflight == 0)
}

// up is a new connection.
func (h *health) up(now time.Time) {
	h.reply, h.from, h.probed, h.doubted = now, now, time.Time{}, false
	if h.state == dead {
		h.state = alive
	}
}

// lost is the end of a connection.
func (h *health) lost() {
	h.state, h.probed, h.working, h.uncached = dead, time.Time{}, 0, 0
	h.patience, h.penalty, h.excused = 0, 0, false
}

// began is the beginning of a turn. Of a node that was idle nothing was to be
// heard before.
func (h *health) began(now time.Time, inflight int) {
	if inflight == 1 {
		h.reply = later(h.reply, now.Add(-busyProbe)) // a silent one is probed at once
		h.from = now
	}
	if h.state == halfOpen {
		h.trial = now
	}
}

// heard takes in the last signs of life, and what is under way: how many turns
// are in prefill or decode, and the longest prompt of those in prefill.
func (h *health) heard(now, reply, engine time.Time, working, uncached int) {
	if reply.After(h.reply) {
		h.reply, h.excused = reply, false
		if !h.probed.IsZero() && reply.After(h.probed) {
			h.probed = time.Time{}
		}
	}
	h.engine = later(h.engine, engine)
	if h.working == 0 && working > 0 {
		h.from = now
	}
	h.working, h.uncached = working, uncached
}

// answered is the answer to a probe. A slow node that was left alone for long
// enough is tried.
func (h *health) answered(now time.Time) {
	h.reply, h.probed, h.excused, h.doubted = now, time.Time{}, false, false
	if h.state == slow && !now.Before(h.until) {
		h.state = halfOpen
	}
}

// learn takes in what a turn has shown: the longest time between two signs of
// the engine, and its prefill.
func (h *health) learn(gap, prefill time.Duration, uncached int) {
	h.gap = max(gap, h.gap*9/10)
	if uncached >= 16 && prefill > 0 { // a short one is mostly something else
		per := prefill / time.Duration(uncached)
		if h.perToken == 0 {
			h.perToken = per
		} else {
			h.perToken = (3*h.perToken + per) / 4
		}
	}
}

// limit is how long the engine may be silent.
func (h *health) limit() time.Duration {
	gap, per := h.gap, h.perToken
	if gap == 0 {
		gap = gapGuess / margin
	}
	if per == 0 {
		per = firstGuess / margin
	}
	return max(floor, margin*gap, margin*per*time.Duration(h.uncached)) << min(h.patience, 4)
}

// restart begins all deadlines anew.
func (h *health) restart(now time.Time) {
	h.reply, h.from = later(h.reply, now), now
	if !h.probed.IsZero() {
		h.probed = now
	}
}

// late says whether a deadline is over.
func (h *health) late(now time.Time) bool {
	if h.state != alive && h.state != halfOpen {
		return false
	}
	// A probe may have gone out late: it gets half of the floor at least.
	if now.Sub(h.reply) >= floor && !h.probed.IsZero() && now.Sub(h.probed) >= floor/2 {
		return true
	}
	return h.working > 0 && now.Sub(later(h.engine, h.from)) >= h.limit()
}

// miss is a deadline that is over.
func (h *health) miss(now time.Time) {
	h.state = slow
	h.patience++
	h.penalty = min(max(2*h.penalty, leastSlow), mostSlow)
	h.until = now.Add(h.penalty)
}

// due says whether the node is to be probed now.
func (h *health) due(now time.Time, inflight int) bool {
	if h.state == dead || !h.probed.IsZero() && now.Sub(h.probed) < floor {
		return false // one is under way
	}
	after := idleProbe
	switch {
	case h.state == slow:
		return !now.Before(h.until)
	case inflight > 0:
		after = busyProbe
	}
	return now.Sub(h.reply) >= after-time.Duration(h.jitter*float64(after)/4)
}

// settle sees whether the turn that a half-open node was tried with has come
// to something.
func (h *health) settle() {
	if h.state == halfOpen && !h.trial.IsZero() && h.engine.After(h.trial) {
		h.state, h.trial = alive, time.Time{}
		h.patience, h.penalty = max(h.patience-1, 0), h.penalty/2
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
