package deploy

import (
	"fmt"
	"time"
)

// A State is where a node of a deployment is in its life.
type State string

// The states of a node. One that is adopted is ready from the start.
const (
	Stopped  State = "stopped"
	Starting State = "starting" // the process runs, and loads its model
	Ready    State = "ready"    // it takes turns
	Draining State = "draining" // no new turns; those that run end
	Stopping State = "stopping" // asked to end, then killed
	Dying    State = "dying"    // killed, for it was ill
	Waiting  State = "waiting"  // for its restart
	Failed   State = "failed"   // restarted too often; tried again seldom
)

// An Action is what a Life asks of the supervisor.
type Action string

// The actions, in the order in which a life may have them.
const (
	Spawn     Action = "spawn"
	Mount     Action = "mount"
	Drain     Action = "drain"
	Unmount   Action = "unmount"
	Terminate Action = "terminate"
	Kill      Action = "kill"
)

// A Life decides what becomes of one node. It is told times and events and
// returns what is to be done; it has no clock and does nothing itself.
type Life struct {
	Limits  *Limits
	Adopted bool // runs elsewhere: there is no process

	State State
	Since time.Time // of the state
	Until time.Time // when Tick has something to do; zero: never
	Fails int       // failures on end
	Error string    // of the last failure

	want bool // it is to run
}

// to changes the state. after is when Tick is to look; 0 is never.
func (l *Life) to(s State, now time.Time, after time.Duration) {
	l.State, l.Since, l.Until = s, now, time.Time{}
	if after > 0 {
		l.Until = now.Add(after)
	}
}

// Wanted says whether the node is to run.
func (l *Life) Wanted() bool { return l.want }

// Gone says whether nothing is left of the node that would have to end.
func (l *Life) Gone() bool { return l.State == Stopped || l.State == "" }

func (l *Life) spawn(now time.Time) []Action {
	if l.Adopted {
		l.to(Ready, now, 0)
		return []Action{Mount}
	}
	l.to(Starting, now, l.Limits.ReadyTimeout)
	return []Action{Spawn}
}

// Start makes the node run. One that is about to end begins again then.
func (l *Life) Start(now time.Time) []Action {
	l.want = true
	if l.Gone() || l.State == Failed {
		l.Fails, l.Error = 0, ""
		return l.spawn(now)
	}
	return nil
}

// Stop makes it end: drained if it has turns, at once if it has not begun.
func (l *Life) Stop(now time.Time) []Action {
	l.want = false
	switch l.State {
	case Waiting, Failed:
		l.to(Stopped, now, 0)
	}
	return l.leave(now)
}

// leave begins the end of what runs.
func (l *Life) leave(now time.Time) []Action {
	switch l.State {
	case Starting:
		return l.terminate(now)
	case Ready:
		if l.Limits.DrainTimeout == 0 {
			return append([]Action{Unmount}, l.terminate(now)...)
		}
		l.to(Draining, now, l.Limits.DrainTimeout)
		return []Action{Drain}
	}
	return nil
}

func (l *Life) terminate(now time.Time) []Action {
	if l.Adopted {
		l.to(Stopped, now, 0)
		if l.want {
			return l.spawn(now)
		}
		return nil
	}
	if l.Limits.StopTimeout == 0 {
		l.to(Stopping, now, 0)
		return []Action{Kill}
	}
	l.to(Stopping, now, l.Limits.StopTimeout)
	return []Action{Terminate}
}

// Restart makes the node begin anew, drained first, and forgives its failures.
func (l *Life) Restart(now time.Time) []Action {
	l.want, l.Fails, l.Error = true, 0, ""
	switch l.State {
	case Waiting, Failed, Stopped, "":
		return l.spawn(now)
	}
	return l.leave(now)
}

// Hurry ends what is drained at once: the turns go on elsewhere or fail.
func (l *Life) Hurry(now time.Time) []Action {
	switch l.State {
	case Draining:
		return append([]Action{Unmount}, l.terminate(now)...)
	case Stopping:
		l.Until = time.Time{}
		return []Action{Kill}
	}
	return nil
}

// Ready says that the node answers and has loaded its model.
func (l *Life) Ready(now time.Time) []Action {
	if l.State != Starting {
		return nil
	}
	l.to(Ready, now, l.Limits.Steady)
	return []Action{Mount}
}

// Drained says that no turn runs there.
func (l *Life) Drained(now time.Time) []Action {
	if l.State != Draining {
		return nil
	}
	return append([]Action{Unmount}, l.terminate(now)...)
}

// Ill says that a node that takes turns does not answer.
func (l *Life) Ill(now time.Time, why string) []Action {
	switch {
	case l.Adopted:
		l.Error = why // the coordinator looks after it
		return nil
	case l.State == Ready:
		l.Error = why
		l.to(Dying, now, 0)
		return []Action{Unmount, Kill}
	case l.State == Draining:
		l.to(Stopping, now, 0)
		return []Action{Unmount, Kill}
	}
	return nil
}

// Exited says that the process has ended, or could not be started.
func (l *Life) Exited(now time.Time, why string) []Action {
	var acts []Action
	was := l.State
	if was == Ready || was == Draining {
		acts = []Action{Unmount}
	}
	if !l.want {
		l.to(Stopped, now, 0)
		return acts
	}
	switch was {
	case Draining, Stopping:
		return append(acts, l.spawn(now)...) // it was to begin anew
	case Dying:
		why = l.Error
	}
	l.Error = why
	l.Fails++
	if l.Fails > l.Limits.Restarts {
		l.to(Failed, now, l.Limits.Retry)
		return acts
	}
	l.to(Waiting, now, l.backoff())
	return acts
}

// backoff is the time before the next restart.
func (l *Life) backoff() time.Duration {
	d := l.Limits.Backoff
	for i := 1; i < l.Fails && d < l.Limits.BackoffMax; i++ {
		d *= 2
	}
	return min(d, l.Limits.BackoffMax)
}

// Tick is for when Until has come.
func (l *Life) Tick(now time.Time) []Action {
	if l.Until.IsZero() || now.Before(l.Until) {
		return nil
	}
	switch l.State {
	case Starting:
		l.Error = fmt.Sprintf("not ready within %v", l.Limits.ReadyTimeout)
		l.to(Dying, now, 0)
		return []Action{Kill}
	case Ready:
		l.Until, l.Fails, l.Error = time.Time{}, 0, ""
	case Draining:
		return append([]Action{Unmount}, l.terminate(now)...)
	case Stopping:
		l.Until = time.Time{}
		return []Action{Kill}
	case Waiting:
		return l.spawn(now)
	case Failed:
		l.Fails = l.Limits.Restarts // one more failure is enough
		return l.spawn(now)
	}
	return nil
}
