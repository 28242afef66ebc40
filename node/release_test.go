package node

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference cuts text where the first stop string to be complete begins; of
// those that end at the same byte, the longest.
func reference(text string, stops []string) string {
	for end := 1; end <= len(text); end++ {
		best := ""
		for _, s := range stops {
			if s != "" && len(s) > len(best) && strings.HasSuffix(text[:end], s) {
				best = s
			}
		}
		if best != "" {
			return text[:end-len(best)]
		}
	}
	return text
}

func TestReleaserIsTheReferenceCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", "ab", "é", "世", "\xff", "\xe4\xb8", "STOP", "\n", "🦙"}
	word := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(alphabet[rnd.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 20000 {
		text := word(rnd.IntN(12))
		var stops []string
		for range rnd.IntN(4) {
			stops = append(stops, word(1+rnd.IntN(3)))
		}
		r := newReleaser(stops)
		got, stopped := "", false
		sum := func(ps []piece) {
			for _, p := range ps {
				got += p.text
			}
		}
		next := Token(0)
		for rest := text; ; {
			n := min(len(rest), rnd.IntN(4))
			released, word := r.add(next, []byte(rest[:n]), nil)
			next++
			sum(released)
			if stopped = word != ""; stopped {
				break
			}
			if rest = rest[n:]; rest == "" {
				break
			}
			// Nothing that may yet be cut is shown.
			if want := reference(text, stops); !strings.HasPrefix(want, got) {
				t.Fatalf("text %q stops %q: released %q, the answer is %q", text, stops, got, want)
			}
		}
		if !stopped {
			sum(r.rest())
		}
		if want := reference(text, stops); got != want {
			t.Fatalf("text %q stops %q: got %q want %q", text, stops, got, want)
		}
	}
}

func TestReleaserKeepsRunesWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		text := strings.Repeat("aé世🦙", 1+rnd.IntN(3))
		r := newReleaser([]string{"世é"})
		for i := 0; i < len(text); {
			n := 1 + rnd.IntN(min(3, len(text)-i))
			released, _ := r.add(Token(i), []byte(text[i:i+n]), nil)
			i += n
			for _, p := range released {
				if !utf8.ValidString(p.text) {
					t.Fatalf("%q: token text %q", text, p.text)
				}
			}
		}
	}
}

// A turn that is cut after any released token and continued with those tokens
// as its prefix gives the same text.
func TestReleaserResumes(t *testing.T) {
	text := "one é two 世界 STO three ST🦙OP end"
	var toks []string
	for i := 0; i < len(text); i += 2 {
		toks = append(toks, text[i:min(i+2, len(text))])
	}
	stops := []string{"STOP", "end"}
	whole := newReleaser(stops)
	var want strings.Builder
	var released []piece
	for i, s := range toks {
		ps, _ := whole.add(Token(i), []byte(s), nil)
		released = append(released, ps...)
	}
	for _, p := range released {
		want.WriteString(p.text)
	}
	before := ""
	for cut := range released {
		r := newReleaser(stops)
		for i := range cut {
			if w, _ := r.skip([]byte(toks[i])); w != "" {
				t.Fatal("stop in the prefix")
			}
		}
		got := before
		for i := cut; i < len(toks); i++ {
			ps, stop := r.add(Token(i), []byte(toks[i]), nil)
			for _, p := range ps {
				got += p.text
			}
			if stop != "" {
				break
			}
		}
		if got != want.String() {
			t.Errorf("cut after %d tokens: %q, want %q", cut, got, want.String())
		}
		before += released[cut].text
	}
}

func TestReleaserPrefix(t *testing.T) {
	r := newReleaser([]string{"STOP"})
	if w, _ := r.skip([]byte("a ST")); w != "" {
		t.Fatalf("stop %q", w)
	}
	ps, stop := r.add(1, []byte("OP!"), nil)
	if len(ps) != 0 || stop != "STOP" {
		t.Errorf("released %v stop %q: a stop string can begin in a prefix", ps, stop)
	}
	r = newReleaser([]string{"STOP"})
	if w, over := r.skip([]byte("a STOP b")); w != "STOP" || over != 6 {
		t.Errorf("stop %q in the prefix, %d bytes from its end", w, over)
	}
	r = newReleaser(nil)
	r.skip([]byte("\xe4\xb8"))
	if ps, _ := r.add(1, []byte("\x96x"), nil); len(ps) != 1 || ps[0].text != "世x" {
		t.Errorf("released %+v: a rune that the prefix began is shown whole", ps)
	}
}

func TestReleaserStopInToken(t *testing.T) {
	for _, test := range []struct {
		toks  []string
		stops []string
		want  []string // texts of released tokens
		stop  string
	}{
		{[]string{"abc", "dSTOPx"}, []string{"STOP"}, []string{"abc", "d"}, "STOP"},
		{[]string{"a", "S", "T", "OP"}, []string{"STOP"}, []string{"a"}, "STOP"},
		{[]string{"a", "S", "x"}, []string{"STOP"}, []string{"a", "S", "x"}, ""},
		{[]string{"abcd"}, []string{"abcd", "bc"}, []string{"a"}, "bc"},
		{[]string{"xabc"}, []string{"abc", "bc"}, []string{"x"}, "abc"},
		{[]string{"a", "", "STOP"}, []string{"STOP"}, []string{"a", ""}, "STOP"},
		{[]string{"\xe4", "\xb8\x96S", "TOP"}, []string{"STOP"}, []string{"", "世"}, "STOP"},
	} {
		r := newReleaser(test.stops)
		var got []string
		word := ""
		for i, s := range test.toks {
			var ps []piece
			ps, word = r.add(Token(i), []byte(s), nil)
			for _, p := range ps {
				got = append(got, p.text)
			}
		}
		if word == "" {
			for _, p := range r.rest() {
				got = append(got, p.text)
			}
		}
		if strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) || word != test.stop {
			t.Errorf("%q: %q stop %q, want %q stop %q", test.toks, got, word, test.want, test.stop)
		}
	}
}
