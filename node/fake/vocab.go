package fake

import (
	"errors"
	"strings"

	"llama9/node"
)

// The vocabulary: the 256 bytes, control tokens, words with their space.
const (
	BOS   node.Token = 256 // <s>
	EOS   node.Token = 257 // </s>, ends an answer
	Start node.Token = 258 // <|im_start|>
	End   node.Token = 259 // <|im_end|>, ends an answer
	words            = 260 // the first word
)

var vocab, byText, longest = makeVocab()

func makeVocab() (v []string, by map[string]node.Token, longest int) {
	for i := range 256 {
		v = append(v, string([]byte{byte(i)}))
	}
	v = append(v, "<s>", "</s>", "<|im_start|>", "<|im_end|>")
	for _, w := range strings.Fields(`the of and to in is was that it he for as with his on be at by had
		not are but from or have an they which one you were all her she there would their we him been
		has when who will no more if out so up said what its about than into them can only other time
		new some could these two may first then do any like my now over such our man me even most made
		after also did many off before must well back through years much where your way down should
		because long each just state those people too mr how little good world make very year still see
		work life men against between under never day know while last might great old another use own
		come both right year light water night sky blue scatter air sun sea stone tree river king house`) {
		v = append(v, " "+w)
	}
	v = append(v, ".", ",", "\n\n", " é", " 世界", "naïve")
	by = make(map[string]node.Token)
	for i, w := range v {
		if i < 256 || i >= words {
			if _, ok := by[w]; !ok {
				by[w] = node.Token(i)
			}
			longest = max(longest, len(w))
		}
	}
	return v, by, longest
}

func control(t node.Token) bool { return t >= BOS && t < words }

// Tokenize takes the longest token of the vocabulary at each place.
func (m *model) Tokenize(text string, special bool) ([]node.Token, error) {
	if len(text) > 1<<28 {
		return nil, errors.New("text too long")
	}
	if f := m.e.OnTokenize; f != nil {
		f(text)
	}
	var ids []node.Token
next:
	for len(text) > 0 {
		if special && text[0] == '<' {
			for t := BOS; t < words; t++ {
				if strings.HasPrefix(text, vocab[t]) {
					ids = append(ids, t)
					text = text[len(vocab[t]):]
					continue next
				}
			}
		}
		for n := min(longest, len(text)); n > 0; n-- {
			if t, ok := byText[text[:n]]; ok {
				ids = append(ids, t)
				text = text[n:]
				break
			}
		}
	}
	return ids, nil
}

func (m *model) Piece(dst []byte, t node.Token, special bool) []byte {
	if t < 0 || int(t) >= len(vocab) || control(t) && !special {
		return dst
	}
	return append(dst, vocab[t]...)
}

func (m *model) EOG(t node.Token) bool { return t == EOS || t == End }

// Text is what tokens say, control tokens too.
func Text(ids []node.Token) string {
	var b strings.Builder
	for _, t := range ids {
		b.WriteString(vocab[t])
	}
	return b.String()
}

// Say is an Engine.Next that answers with text, one token a byte, and then
// ends. The answer begins where a sequence last says after.
func Say(after, text string) func(seq []node.Token) (node.Token, bool) {
	return func(seq []node.Token) (node.Token, bool) {
		s := Text(seq)
		i := strings.LastIndex(s, after)
		if i < 0 {
			return 0, false
		}
		said := s[i+len(after):]
		if !strings.HasPrefix(text, said) {
			return 0, false
		}
		if said == text {
			return EOS, true
		}
		return node.Token(text[len(said)]), true
	}
}
