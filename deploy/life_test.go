package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// script tells a Life of events, one a line: SECONDS EVENT -> STATE ACTION...
// An event is a method, and ... behind it its text.
func script(t *testing.T, l *Life, text string) {
	t.Helper()
	if l.Limits == nil {
		l.Limits = &Limits{
			ReadyTimeout: 100 * time.Second, DrainTimeout: 30 * time.Second, StopTimeout: 10 * time.Second,
			Restarts: 3, Backoff: time.Second, BackoffMax: 3 * time.Second, Steady: time.Minute, Retry: 5 * time.Minute,
		}
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if line == "" {
			continue
		}
		before, want, ok := strings.Cut(line, "->")
		var sec float64
		var ev string
		if _, err := fmt.Sscan(before, &sec, &ev); err != nil || !ok {
			t.Fatalf("%q: %v", line, err)
		}
		now := time.Unix(0, 0).Add(time.Duration(sec * float64(time.Second)))
		var acts []Action
		switch ev {
		case "start":
			acts = l.Start(now)
		case "stop":
			acts = l.Stop(now)
		case "restart":
			acts = l.Restart(now)
		case "hurry":
			acts = l.Hurry(now)
		case "ready":
			acts = l.Ready(now)
		case "drained":
			acts = l.Drained(now)
		case "ill":
			acts = l.Ill(now, "no answer")
		case "exited":
			acts = l.Exited(now, "exit 1")
		case "tick":
			acts = l.Tick(now)
		default:
			t.Fatalf("%q: no event", line)
		}
		got := string(l.State)
		for _, a := range acts {
			got += " " + string(a)
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%q: %s", strings.TrimSpace(line), got)
		}
	}
}

func TestLifeStartStop(t *testing.T) {
	script(t, &Life{}, `
		0 start -> starting spawn
		0 start -> starting
		5 tick -> starting
		5 ready -> ready mount
		5 ready -> ready
		6 stop -> draining drain
		7 stop -> draining
		9 drained -> stopping unmount terminate
		10 exited -> stopped
		10 tick -> stopped
		11 drained -> stopped
		12 start -> starting spawn
		13 stop -> stopping terminate		# in the middle of its start
		13 ready -> stopping
		14 exited -> stopped
	`)
}

func TestLifeStopsAtLast(t *testing.T) {
	script(t, &Life{}, `
		0 start -> starting spawn
		1 ready -> ready mount
		2 stop -> draining drain
		31 tick -> draining
		32 tick -> stopping unmount terminate
		41 tick -> stopping
		42 tick -> stopping kill
		99 tick -> stopping
		99 exited -> stopped
	`)
	script(t, &Life{}, `
		0 start -> starting spawn
		1 ready -> ready mount
		2 stop -> draining drain
		2 hurry -> stopping unmount terminate
		2 hurry -> stopping kill
		2 exited -> stopped
	`)
}

func TestLifeStartedWhileItEnds(t *testing.T) {
	script(t, &Life{}, `
		0 start -> starting spawn
		1 ready -> ready mount
		2 stop -> draining drain
		3 start -> draining		# scaled up again while draining
		4 drained -> stopping unmount terminate
		5 exited -> starting spawn
		6 ready -> ready mount
	`)
}

func TestLifeRestarts(t *testing.T) {
	l := &Life{}
	script(t, l, `
		0 start -> starting spawn
		1 ready -> ready mount
		2 exited -> waiting unmount
		2.9 tick -> waiting
		3 tick -> starting spawn
		3 exited -> waiting			# dies at once each time
		4.9 tick -> waiting
		5 tick -> starting spawn
		5 exited -> waiting
		7.9 tick -> waiting			# 4 s, but 3 at most
		8 tick -> starting spawn
		8 exited -> failed
		307 tick -> failed
		308 tick -> starting spawn
		309 exited -> failed			# once is enough now
		609 tick -> starting spawn
		610 ready -> ready mount
		611 exited -> failed unmount
	`)
	if l.Error != "exit 1" || l.Fails != 4 {
		t.Errorf("%+v", l)
	}
	script(t, l, `
		700 restart -> starting spawn
		701 exited -> waiting
		702 stop -> stopped
	`)
}

func TestLifeSteadyForgets(t *testing.T) {
	l := &Life{}
	script(t, l, `
		0 start -> starting spawn
		0 exited -> waiting
		1 tick -> starting spawn
		1 exited -> waiting
		3 tick -> starting spawn
		4 ready -> ready mount
		63 tick -> ready
		64 tick -> ready
	`)
	if l.Fails != 0 {
		t.Errorf("%d failures after a minute of peace", l.Fails)
	}
}

func TestLifeNeverReady(t *testing.T) {
	l := &Life{}
	script(t, l, `
		0 start -> starting spawn
		100 tick -> dying kill
		101 exited -> waiting
	`)
	if l.Error != "not ready within 1m40s" {
		t.Errorf("error %q", l.Error)
	}
}

func TestLifeIll(t *testing.T) {
	l := &Life{}
	script(t, l, `
		0 start -> starting spawn
		0 ill -> starting
		1 ready -> ready mount
		2 ill -> dying unmount kill
		2 stop -> dying
		3 exited -> stopped
	`)
	script(t, l, `
		4 start -> starting spawn
		5 ready -> ready mount
		6 restart -> draining drain
		7 ill -> stopping unmount kill
		8 exited -> starting spawn
	`)
}

func TestLifeRestart(t *testing.T) {
	script(t, &Life{}, `
		0 start -> starting spawn
		1 restart -> stopping terminate
		2 exited -> starting spawn
		3 ready -> ready mount
		4 restart -> draining drain
		5 exited -> starting unmount spawn	# it died while drained
		6 ready -> ready mount
		7 exited -> waiting unmount
		7 restart -> starting spawn
	`)
}

func TestLifeAdopted(t *testing.T) {
	script(t, &Life{Adopted: true}, `
		0 start -> ready mount
		1 ill -> ready
		2 restart -> draining drain
		3 drained -> ready unmount mount
		4 stop -> draining drain
		5 drained -> stopped unmount
	`)
}

func TestLifeWithoutPatience(t *testing.T) {
	script(t, &Life{Limits: &Limits{}}, `
		0 start -> starting spawn
		1 ready -> ready mount
		2 stop -> stopping unmount kill
		3 exited -> stopped
	`)
}
