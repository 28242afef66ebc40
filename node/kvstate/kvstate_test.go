package kvstate

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// written is a state as llama.cpp writes it: one stream of several has cells.
func written(lead, streams, s int, n uint32, cells string) []byte {
	b := bytes.Repeat([]byte{7}, lead)
	b = binary.LittleEndian.AppendUint32(b, uint32(streams))
	for i := range streams {
		if i != s {
			b = append(b, 0, 0, 0, 0)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, n)
		b = append(b, cells...)
	}
	return b
}

func TestLayout(t *testing.T) {
	for _, lead := range []int{0, 8} {
		for s := range 3 {
			from := Layout{lead, 3}
			data, err := from.Strip(written(lead, 3, s, 5, "keys and values"), s, 5)
			if err != nil {
				t.Fatal(err)
			}
			for _, streams := range []int{1, 3, 6} {
				to := Layout{lead, streams}
				if got, want := to.Dress(slices.Clone(data)), written(lead, streams, 0, 5, "keys and values"); !bytes.Equal(got, want) {
					t.Errorf("from stream %d to %d streams: %q, want %q", s, streams, got, want)
				}
			}
			for name, test := range map[string]struct {
				l Layout
				s int
				n uint32
			}{"streams": {Layout{lead, 2}, min(s, 1), 5}, "tokens": {from, s, 6}, "stream": {from, (s + 1) % 3, 5}} {
				if _, err := test.l.Strip(written(lead, 3, s, 5, "keys and values"), test.s, test.n); err == nil {
					t.Errorf("another number of %s was not seen", name)
				}
			}
		}
	}
}

func TestSeal(t *testing.T) {
	f := Fingerprint("a model", 3)
	state := Seal(append(make([]byte, Header), "data"...), f, 9)
	data, tokens, err := Open(state, f, 9)
	if err != nil || string(data) != "data" || tokens != 9 {
		t.Fatalf("%q %d %v", data, tokens, err)
	}
	for i := range state {
		bad := slices.Clone(state)
		bad[i] ^= 0x40
		if _, tokens, err := Open(bad, f, 1<<31); err == nil && tokens == 9 {
			t.Errorf("byte %d changed and not seen", i)
		}
	}
	for want, test := range map[string]struct {
		b    []byte
		f    uint32
		nCtx int
	}{"not a state": {state[:Header], f, 9}, "another model": {state, Fingerprint("another", 3), 9}, "in a context of 8": {state, f, 8}} {
		if _, _, err := Open(test.b, test.f, test.nCtx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}
