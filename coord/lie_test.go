package coord

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"llama9/styxfs"
)

// say has the node say a line as an event.
func (p *fakePlace) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.events {
		c <- line
	}
}

// What a node tells of its tokens/s is told on, also where its load stays what
// it was, and when it has run down; then nothing is said.
func TestRateIsTold(t *testing.T) {
	bubble(t, "a", 4, nil, func(r *rig) {
		told := func() (rates []string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, e := range r.events {
				if e, ok := strings.CutPrefix(e, "load "); ok {
					attrs, err := styxfs.ParseAttrs(e)
					if err != nil {
						t.Fatal(err)
					}
					rates = append(rates, styxfs.FindAttr(attrs, "tokens/s"))
				}
			}
			r.events = nil
			return rates
		}
		time.Sleep(rateTime)
		told()
		for _, rate := range []string{"20", "50", "50"} {
			r.places["a"].say("2026-11-24T12:00:00Z load slots=4 busy=0 queue=0 tokens/s=" + rate)
			time.Sleep(idleProbe / 2)
		}
		// Then it is silent, and a probe finds that it makes none.
		time.Sleep(time.Minute)
		if rates := told(); !slices.Equal(rates, []string{"20.0", "50.0", "0.0"}) {
			t.Errorf("told were %q", rates)
		}
		if index := string(r.indexText()); !strings.Contains(index, " tokens/s=0.0 ") {
			t.Errorf("index is %s", index)
		}
	})
}

// A node that lies about its load costs no turn: one that says that it is empty
// and takes nothing is left for others, and what cannot be is not believed.
func TestLoadOfLies(t *testing.T) {
	bubble(t, "liar b", 4, nil, func(r *rig) {
		liar := r.places["liar"]
		liar.refuse = fmt.Errorf("%w: queue full", ErrRefused)
		load := func() (slots, busy int, rate string) {
			s := r.Status()
			slots, _ = strconv.Atoi(styxfs.FindAttr(s, "slots"))
			busy, _ = strconv.Atoi(styxfs.FindAttr(s, "busy"))
			return slots, busy, styxfs.FindAttr(s, "tokens/s")
		}
		for i, lie := range []string{
			"slots=1000000000 busy=0 queue=0 tokens/s=1e9",
			"slots=9223372036854775807 busy=-9223372036854775808 queue=-1 tokens/s=NaN",
			"slots=-1 busy=9223372036854775807 queue=9223372036854775807 tokens/s=-Inf",
			"slots=1 busy=0 queue=0 tokens/s=1e300",
			"slots=x busy= queue=99999999999999999999 tokens/s=fast",
			"slots=4",
			"",
		} {
			liar.say("2026-11-24T12:00:00Z load " + lie)
			var waits []func()
			var all []*record
			var qs []*styxfs.Request
			begun := time.Now()
			for j := range uint64(12) {
				q := request(uint64(i)*100+j+1, 20, int64(j))
				h, wait := r.begin(context.Background(), q)
				all, waits, qs = append(all, h), append(waits, wait), append(qs, q)
			}
			for j, wait := range waits {
				wait()
				r.good(all[j], qs[j])
				if all[j].notes.Node != "b" {
					t.Errorf("%s: it ran at %s", lie, all[j].notes.Node)
				}
			}
			if d := time.Since(begun); d > time.Second {
				t.Errorf("%s: %d turns took %v", lie, len(all), d)
			}
			slots, busy, rate := load()
			if slots < 4 || slots > mostSlots+4 || busy < 0 || busy > mostSlots+4 {
				t.Errorf("%s: slots=%d busy=%d", lie, slots, busy)
			}
			if f, err := strconv.ParseFloat(rate, 64); err != nil || math.IsNaN(f) || f < 0 || f > mostRate {
				t.Errorf("%s: tokens/s=%s", lie, rate)
			}
		}
		// It tells the truth at last.
		liar.mu.Lock()
		liar.refuse = nil
		liar.mu.Unlock()
		r.ctl("drain b")
		liar.say("2026-11-24T12:00:00Z load slots=4 busy=0 queue=0 tokens/s=0")
		q := request(9999, 20, 1)
		h := r.turn(q)
		r.good(h, q)
		if h.notes.Node != "liar" {
			t.Errorf("then it ran at %s", h.notes.Node)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.events {
			if strings.HasPrefix(e, "load ") && (strings.Contains(e, "NaN") || strings.Contains(e, "Inf") || strings.Contains(e, "=-")) {
				t.Errorf("event %s", e)
			}
		}
	})
}
