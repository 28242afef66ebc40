//go:build ollama && cgoflags && cgo

package ollama

import (
	"errors"
	"os"
	"slices"
	"testing"

	"llama9/node"
	"llama9/node/enginetest"
	"llama9/node/llama"
)

// openDefault gives the default engine, where its libraries are.
func openDefault(tb testing.TB) node.Engine {
	tb.Helper()
	lib, err := llama.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" || !errors.Is(err, llama.ErrNoLibrary) {
			tb.Fatal(err)
		}
		tb.Skipf("LEFT OUT, %v: llama9 engine install", err)
	}
	e, err := llama.Open(llama.Options{Lib: lib})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// A speaker says a conversation greedily: each turn's text on top of all before.
type speaker struct {
	tb testing.TB
	m  node.Model
	c  node.Context
}

// next decodes ids and gives the logits after them.
func (s *speaker) next(ids []node.Token) []float32 {
	s.tb.Helper()
	pos := s.c.MaxPos(0) + 1
	rows := make([]node.Row, len(ids))
	for i, id := range ids {
		rows[i] = node.Row{Token: id, Pos: pos + int32(i), Logits: i == len(ids)-1}
	}
	if err := s.c.Decode(rows); err != nil {
		s.tb.Fatal(err)
	}
	l, err := s.c.Logits(len(ids) - 1)
	if err != nil {
		s.tb.Fatal(err)
	}
	return l
}

// best is the likeliest token.
func best(l []float32) node.Token {
	at := 0
	for id, x := range l {
		if x > l[at] {
			at = id
		}
	}
	return node.Token(at)
}

// nearTie is how far apart the logits of both engines may be with flash
// attention, whose kernels are of different age; 0.13 was seen.
const nearTie = 0.3

// What is said greedily on the demo model is what the default engine says,
// turn by turn: to the bit without flash attention; with it, up to near ties,
// and from the same tokens before.
func TestAsDefaultEngine(t *testing.T) {
	other := openDefault(t)
	file := enginetest.DemoFile(t)
	a, b := enginetest.Load(t, openEngine(t), file), enginetest.Load(t, other, file)
	same := 0
	for _, flash := range []string{"off", "auto"} {
		for _, turns := range [][]string{
			{"And the LORD said unto", " Then the king answered and said", " And it came to pass that"},
			{"In the beginning", " In those days", " Elizabeth was"},
			{"Once upon a time", " The man said to his wife", " The end of it was"},
		} {
			o := node.ContextOptions{NCtx: 512, FlashAttn: flash}
			x, y := &speaker{t, a, enginetest.NewContext(t, a, o)}, &speaker{t, b, enginetest.NewContext(t, b, o)}
			for k, text := range turns {
				ids, err := a.Tokenize(text, true)
				ids2, err2 := b.Tokenize(text, true)
				if err := errors.Join(err, err2); err != nil || !slices.Equal(ids, ids2) {
					t.Fatalf("%q is %v, and %v by the default engine; %v", text, ids, ids2, err)
				}
				if k == 0 && a.Info().AddBOS {
					ids = slices.Insert(ids, 0, a.Info().BOS)
				}
				for i := range 48 {
					got, want := x.next(ids), y.next(ids)
					id, wanted := best(got), best(want)
					switch gap := want[wanted] - want[id]; {
					case id == wanted:
						same++
					case flash == "off" || gap > nearTie:
						t.Errorf("flash attention %s, %q, token %d: %d, and %d by the default engine, %v apart", flash, text, i, id, wanted, gap)
					}
					ids = []node.Token{wanted}
				}
			}
		}
	}
	if all := 2 * 9 * 48; same < all-all/100 {
		t.Errorf("%d of %d tokens are the same", same, all)
	} else {
		t.Logf("%d of %d tokens are the same", same, all)
	}
}
