package node

import (
	"bytes"
	"unicode/utf8"
)

// A releaser holds back what may not be shown yet. A token is released whole
// once none of its bytes can belong to a stop string or to an unfinished rune.
// Bytes that begin a rune go with the token that ends it, so every text is
// whole runes; bytes that can be part of no rune are passed on as the model
// made them, and so is an unfinished rune at the end of the answer.
//
// Which stop string ends an answer does not depend on how its bytes are split
// into tokens: it is the first to be complete, of those that end at the same
// byte the longest.
type releaser struct {
	stops [][]byte
	buf   []byte // bytes not shown yet, and those of tokens that are held
	base  int    // bytes at the front of buf that were shown with a prefix
	pre   int    // bytes at the front of buf that are of tokens released before
	held  []piece
	out   []piece // scratch of add
}

// A piece is a token and, once it is released, its text.
type piece struct {
	tok  Token
	end  int // of its bytes in buf
	text string
	prob *probs
}

func newReleaser(stops []string) releaser {
	var r releaser
	for _, s := range stops {
		if s != "" {
			r.stops = append(r.stops, []byte(s))
		}
	}
	return r
}

// add takes the next token and its bytes. It gives the tokens that it
// releases, valid until the next call, and the stop string that is complete
// now, if any: then the last text is cut where it begins, tokens that lie
// within it are not released, and the answer is over.
func (r *releaser) add(t Token, b []byte, p *probs) (released []piece, stop string) {
	from := len(r.buf)
	r.buf = append(r.buf, b...)
	r.held = append(r.held, piece{tok: t, end: len(r.buf), prob: p})
	if at, word := r.match(from); word != nil {
		return r.cut(at), string(word)
	}
	return r.take(min(r.partial(), runes(r.buf))), ""
}

// match finds the first stop string that ends after from.
func (r *releaser) match(from int) (at int, word []byte) {
	for end := from + 1; end <= len(r.buf); end++ {
		for _, s := range r.stops {
			if len(s) > len(word) && bytes.HasSuffix(r.buf[:end], s) {
				at, word = end-len(s), s
			}
		}
		if word != nil {
			return at, word
		}
	}
	return 0, nil
}

// partial gives where the longest end of buf begins that a stop string could
// begin with.
func (r *releaser) partial() int {
	hold := len(r.buf)
	for _, s := range r.stops {
		for n := min(len(s)-1, len(r.buf)); n > len(r.buf)-hold; n-- {
			if bytes.HasSuffix(r.buf, s[:n]) {
				hold = len(r.buf) - n
				break
			}
		}
	}
	return hold
}

// runes gives the length of b without an unfinished rune at its end.
func runes(b []byte) int {
	for i := max(len(b)-utf8.UTFMax+1, 0); i < len(b); i++ {
		if utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:]) {
			return i
		}
	}
	return len(b)
}

// take releases the tokens whose bytes end at or before to.
func (r *releaser) take(to int) []piece {
	r.out = r.out[:0]
	shown, last := r.base, r.pre
	for _, p := range r.held {
		if p.end > to {
			break
		}
		// The bytes of a rune that is finished by a later token go there.
		end := max(boundary(r.buf, p.end), shown)
		p.text = string(r.buf[shown:end])
		shown, last = end, p.end
		r.out = append(r.out, p)
	}
	if len(r.out) == 0 {
		return nil
	}
	r.held = r.held[:copy(r.held, r.held[len(r.out):])]
	r.buf = r.buf[:copy(r.buf, r.buf[shown:])]
	for i := range r.held {
		r.held[i].end -= shown
	}
	r.base, r.pre = 0, last-shown
	return r.out
}

// boundary gives the last place at or before end that is not inside a rune.
func boundary(b []byte, end int) int {
	for i := max(end-utf8.UTFMax+1, 0); i < end; i++ {
		if utf8.RuneStart(b[i]) {
			if _, n := utf8.DecodeRune(b[i:]); i+n > end {
				return i
			}
		}
	}
	return end
}

// cut ends the answer at byte at, the beginning of a stop string.
func (r *releaser) cut(at int) []piece {
	r.out = r.out[:0]
	shown, begin := r.base, r.pre
	for _, p := range r.held {
		if begin > at || begin == at && p.end > begin {
			break
		}
		end := min(p.end, at)
		if p.end < at {
			end = boundary(r.buf, p.end)
		}
		end = max(end, shown)
		p.text = string(r.buf[shown:end])
		shown, begin = end, p.end
		r.out = append(r.out, p)
	}
	r.buf, r.held, r.base, r.pre = r.buf[:0], r.held[:0], 0, 0
	return r.out
}

// rest releases what is held, at an end that is no stop.
func (r *releaser) rest() []piece {
	r.out = r.out[:0]
	shown := r.base
	for i, p := range r.held {
		end := p.end
		if i < len(r.held)-1 {
			end = boundary(r.buf, p.end)
		}
		end = max(end, shown)
		p.text = string(r.buf[shown:end])
		shown = end
		r.out = append(r.out, p)
	}
	r.buf, r.held, r.base, r.pre = r.buf[:0], r.held[:0], 0, 0
	return r.out
}

// skip takes a token of a prefix: it was released where it was made. Its bytes
// still begin stop strings, and a rune that the next token ends. If a stop
// string is complete in them, over is how many bytes of the prefix it and what
// follows it are.
func (r *releaser) skip(b []byte) (stop string, over int) {
	from := len(r.buf)
	r.buf = append(r.buf, b...)
	if at, word := r.match(from); word != nil {
		return string(word), len(r.buf) - at
	}
	hold := min(r.partial(), runes(r.buf))
	r.buf = r.buf[:copy(r.buf, r.buf[hold:])]
	r.base, r.pre = runes(r.buf), len(r.buf)
	return "", 0
}

// unfinished counts the bytes of a rune that a prefix leaves unfinished.
func (r *releaser) unfinished() int { return len(r.buf) - r.base }
