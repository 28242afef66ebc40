package node

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func toks(s string) []Token {
	var ids []Token
	for _, r := range s {
		ids = append(ids, Token(r))
	}
	return ids
}

// slotsOf reads "cached+todo" with a ! before for a busy slot (> when it
// decodes); a number after @ is when it was used, one after = the session.
func slotsOf(words ...string) []slot {
	var slots []slot
	for i, w := range words {
		s := slot{seq: Seq(i)}
		w, session, _ := strings.Cut(w, "=")
		fmt.Sscan(session, &s.session)
		w, at, _ := strings.Cut(w, "@")
		fmt.Sscan(at, &s.used)
		if strings.HasPrefix(w, "!") || strings.HasPrefix(w, ">") {
			s.turn = &turn{}
			s.decodes = w[0] == '>'
			w = w[1:]
		}
		cached, todo, _ := strings.Cut(w, "+")
		s.cached, s.todo = toks(cached), toks(todo)
		slots = append(slots, s)
	}
	return slots
}

func TestChoose(t *testing.T) {
	long := strings.Repeat("x", patience)
	for _, test := range []struct {
		name  string
		slots []slot
		ids   string
		most  int
		want  choice
	}{
		{"empty slots", slotsOf("", ""), "abc", 9, choice{slot: 0, from: 0}},
		{"own prefix", slotsOf("", "abc"), "abcd", 9, choice{slot: 1, from: 1, keep: 3}},
		{"one token is left to decode", slotsOf("abc"), "abc", 9, choice{slot: 0, from: 0, keep: 2}},
		{"no reuse", slotsOf("abc@1", "zz@0"), "abcd", 0, choice{slot: 1, from: 1}},
		{"copy of a busy one", slotsOf(">abcdef", "zz"), "abcx", 9, choice{slot: 1, from: 0, keep: 3}},
		{"idle before busy at the same length", slotsOf(">abc+q", "abc"), "abcd", 9, choice{slot: 1, from: 1, keep: 3}},
		{"a long cache is not cut for a little", slotsOf("abLONG AND OTHER CONVERSATION@5", "zz@1"), "abx", 9, choice{slot: 1, from: 0, keep: 2}},
		{"but one's own is", slotsOf("abLONG AND OWN CONVERSATION@5=7", "zz@1"), "abx", 9, choice{slot: 0, from: 0, keep: 2}},
		{"one's own before another's", slotsOf("abc@5=8", "abc@5=7"), "abx", 9, choice{slot: 1, from: 1, keep: 2}},
		{"unless there is no other", slotsOf("abLONG AND OTHER CONVERSATION@5", ">q"), "abx", 9, choice{slot: 0, from: 0, keep: 2}},
		{"least recently used", slotsOf("aa@3", "bb@1", "cc@2"), "x", 9, choice{slot: 1, from: 1}},
		{"empty before least recently used", slotsOf("aa@3", "@9"), "x", 9, choice{slot: 1, from: 1}},
		{"all busy", slotsOf(">a", "!b+c"), "x", 9, choice{slot: -1}},
		{"wait for a prefill of the same", slotsOf("!a+"+long+"y", ""), "a" + long + "z", 999, choice{slot: -1, wait: true}},
		{"not for a short one", slotsOf("!a+xxx", ""), "axxz", 999, choice{slot: 1, from: 0, keep: 1}},
		{"not for what is elsewhere already", slotsOf("!a+"+long+"y", "a"+long), "a" + long + "z", 999, choice{slot: 1, from: 1, keep: 1 + patience}},
		{"not for one that goes elsewhere", slotsOf("!ab+"+long, ""), "a" + long, 999, choice{slot: 1, from: 0, keep: 1}},
	} {
		if got := choose(test.slots, 7, toks(test.ids), test.most); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestPlan(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct {
		name    string
		slots   []slot
		first   int
		nbatch  int
		nubatch int
		want    []int // rows of each slot
		next    int
	}{
		{"decodes first", slotsOf(">a+b", "!+xxxxxxxxxxxx", ">c+d"), 0, 100, 8, []int{1, 6, 1}, 2},
		{"even shares", slotsOf("!+"+long(400), "!+"+long(400)), 0, 2048, 512, []int{256, 256}, 0},
		{"a short one leaves its share", slotsOf("!+xx", "!+xxxxxxxxxx"), 0, 100, 8, []int{2, 6}, 0},
		{"no more prompts than get a quantum", slotsOf("!+"+long(300), "!+"+long(300), "!+"+long(300)), 0, 2048, 256, []int{128, 128, 0}, 2},
		{"the others come first in the next step", slotsOf("!+"+long(300), "!+"+long(300), "!+"+long(300)), 2, 2048, 256, []int{128, 0, 128}, 1},
		{"short prompts share a step", slotsOf("!+"+long(100), "!+"+long(100), "!+"+long(300), "!+x"), 0, 2048, 256, []int{100, 100, 56, 0}, 3},
		{"a small n_ubatch goes to one", slotsOf("!+xxxxx", "!+xxxxx"), 1, 100, 3, []int{0, 3}, 0},
		{"more fills than rows", slotsOf("!+xx", "!+xx", "!+xx"), 1, 100, 3, []int{0, 2, 1}, 0},
		{"n_batch bounds all", slotsOf(">a+b", ">a+b", "!+xxxx"), 0, 3, 8, []int{1, 1, 1}, 0},
		{"at least half an n_ubatch of prefill", slotsOf(">a+b", ">a+b", ">a+b", "!+xxxx"), 0, 100, 4, []int{1, 1, 1, 2}, 0},
		{"idle", slotsOf("abc", ""), 0, 100, 8, []int{0, 0}, 0},
	} {
		rows, next := plan(test.slots, test.first, test.nbatch, test.nubatch, nil)
		var got []int
		sum := 0
		for i := range test.slots {
			s := &test.slots[i]
			got = append(got, s.rows)
			if s.row != sum {
				t.Errorf("%s: slot %d begins at row %d, not %d", test.name, i, s.row, sum)
			}
			for j := range s.rows {
				if r := rows[s.row+j]; r.Seq != Seq(i) || int(r.Pos) != len(s.cached)+j || r.Token != s.todo[j] {
					t.Errorf("%s: slot %d row %d is %+v", test.name, i, j, r)
				}
			}
			sum += s.rows
		}
		if !slices.Equal(got, test.want) || len(rows) != sum || next != test.next {
			t.Errorf("%s: %v and then from %d, want %v and %d (%d rows)", test.name, got, next, test.want, test.next, len(rows))
		}
	}
	slots := slotsOf("!ab+cde")
	slots[0].logits = 4
	var asked []int32
	asking, _ := plan(slots, 0, 100, 8, nil)
	for _, r := range asking {
		if r.Logits {
			asked = append(asked, r.Pos)
		}
	}
	if !slices.Equal(asked, []int32{4}) {
		t.Errorf("logits asked at %v, want 4", asked)
	}
}

func TestReseat(t *testing.T) {
	for _, test := range []struct {
		name        string
		seats       []seat
		wants       string
		bound       uint64
		load, leave string
	}{
		{"nothing wanted", []seat{{name: "a", bytes: 5}}, "", 10, "", ""},
		{"no bound", []seat{{name: "a", bytes: 5}, {name: "b", bytes: 99}}, "a b", 0, "a b", ""},
		{"fits", []seat{{name: "a", bytes: 5, state: seatIn}, {name: "b", bytes: 5}}, "b", 10, "b", ""},
		{"too big alone is tried alone", []seat{{name: "a", bytes: 50}}, "a", 10, "a", ""},
		{"the idle one leaves", []seat{{name: "a", bytes: 5, state: seatIn, busy: 1, used: 1}, {name: "b", bytes: 5, state: seatIn, used: 2}, {name: "c", bytes: 5}},
			"c", 10, "", "b"},
		{"the least recently used leaves", []seat{{name: "a", bytes: 5, state: seatIn, used: 2}, {name: "b", bytes: 5, state: seatIn, used: 1}, {name: "c", bytes: 5}},
			"c", 10, "", "b"},
		{"as many as needed", []seat{{name: "a", bytes: 5, state: seatIn, used: 2}, {name: "b", bytes: 5, state: seatIn, used: 1}, {name: "c", bytes: 8}},
			"c", 10, "", "b a"},
		{"a busy one drains", []seat{{name: "a", bytes: 8, state: seatIn, busy: 2}, {name: "b", bytes: 8}}, "b", 10, "", "a"},
		{"one that owes turns stays", []seat{{name: "a", bytes: 8, state: seatIn, owed: 1}, {name: "b", bytes: 8}}, "b", 10, "", ""},
		{"one that leaves is waited for", []seat{{name: "a", bytes: 8, state: seatLeaving}, {name: "b", bytes: 8}, {name: "c", bytes: 5, state: seatIn}}, "b", 10, "", "c"},
		{"a leaving one is not asked twice", []seat{{name: "a", bytes: 8, state: seatLeaving}, {name: "b", bytes: 8}}, "b", 10, "", ""},
		{"those behind one that does not fit wait", []seat{{name: "a", bytes: 8, state: seatIn, owed: 1}, {name: "b", bytes: 8}, {name: "c", bytes: 1}}, "b c", 10, "", ""},
		{"over the bound after a load", []seat{{name: "a", bytes: 8, state: seatIn, used: 1}, {name: "b", bytes: 8, state: seatIn, used: 2}}, "", 10, "", "a"},
		{"over the bound but in use", []seat{{name: "a", bytes: 8, state: seatIn, used: 1, busy: 1}, {name: "b", bytes: 8, state: seatIn, used: 2}}, "", 10, "", ""},
	} {
		load, leave := reseat(test.seats, strings.Fields(test.wants), test.bound)
		if strings.Join(load, " ") != test.load || strings.Join(leave, " ") != test.leave {
			t.Errorf("%s: load %v leave %v, want %q and %q", test.name, load, leave, test.load, test.leave)
		}
	}
}

func TestGumbelMaxIsTheSoftmax(t *testing.T) {
	logits := []float32{0, 1, 2, 2.5, -1, -3}
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l))
	}
	counts := make([]float64, len(logits))
	const draws = 200000
	c := make([]TokenData, len(logits))
	for k := range draws {
		for i, l := range logits {
			c[i] = TokenData{ID: Token(i * 7), Logit: l}
		}
		counts[gumbelMax(c, drawOf(42, k, pickStream))]++
	}
	for i, l := range logits {
		p := math.Exp(float64(l)) / sum
		if dev := math.Abs(counts[i]/draws-p) / math.Sqrt(p*(1-p)/draws); dev > 5 {
			t.Errorf("token %d: %.4f drawn, %.4f expected: %.1f standard deviations", i, counts[i]/draws, p, dev)
		}
	}
}

// The short way of gumbelMax must give what the definition gives.
func TestGumbelMaxIsTheDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for k := range 3000 {
		c := make([]TokenData, 1+rnd.IntN(200))
		for i := range c {
			c[i] = TokenData{ID: Token(i), Logit: float32(rnd.NormFloat64() * 4)}
		}
		d := drawOf(uint64(k), k, pickStream)
		want, best := -1, math.Inf(-1)
		for i := range c {
			if g := float64(c[i].Logit) + gumbel(unit(d.at(uint64(c[i].ID)))); g > best {
				want, best = i, g
			}
		}
		if got := gumbelMax(c, d); got != want {
			t.Fatalf("draw %d: got %d, want %d", k, got, want)
		}
		// Another order, and one candidate less, change nothing.
		id := c[want].ID
		rnd.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
		if len(c) > 1 {
			for i := range c {
				if c[i].ID != id {
					c = slices.Delete(c, i, i+1)
					break
				}
			}
		}
		if got := gumbelMax(c, d); c[got].ID != id {
			t.Fatalf("draw %d: the order or another candidate changed the pick", k)
		}
	}
	none := []TokenData{{Logit: float32(math.Inf(-1))}, {Logit: float32(math.NaN())}}
	if gumbelMax(none, 1) != -1 || gumbelMax(nil, 1) != -1 {
		t.Error("a pick from nothing")
	}
}

func TestMeter(t *testing.T) {
	var m meter
	now := time.Unix(0, 0)
	for range 1000 {
		now = now.Add(10 * time.Millisecond)
		m.add(now, 1)
	}
	if r := m.at(now); r < 80 || r > 100 {
		t.Errorf("%v tokens/s after 10s of 100", r)
	}
	if r := m.at(now.Add(time.Minute)); r > 1 {
		t.Errorf("%v tokens/s after a minute of none", r)
	}
}
