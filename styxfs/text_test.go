package styxfs

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestQuote(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"plain", "plain"},
		{"größe", "größe"},
		{"a b", `"a b"`},
		{"a\nb", `"a\nb"`},
		{`say "hi"`, `"say \"hi\""`},
		{"don't", `"don't"`},
		{`a\b`, `"a\\b"`},
		{"a`b", "\"a`b\""},
		{"a=b", `"a=b"`},
		{"\x7f", `"\x7f"`},
		{"\u0085", `"\u0085"`},
		{"\xe2", `"\xe2"`},
		{"a\xe2\x82", `"a\xe2\x82"`},
		{"#{};$*", "#{};$*"},
	} {
		if got := Quote(c.in); got != c.want {
			t.Errorf("Quote(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"  \t ", nil},
		{"a b\tc\n", []string{"a", "b", "c"}},
		{`stop "\n\n" x`, []string{"stop", "\n\n", "x"}},
		{`a "" b`, []string{"a", "", "b"}},
		{"stop `a\\n`", []string{"stop", `a\n`}},
		{`stop don't`, []string{"stop", "don't"}},
		{`load m /a n_ctx=512 path="a b=c"`, []string{"load", "m", "/a", "n_ctx=512", "path=a b=c"}},
		{`x a=`, []string{"x", "a="}},
	} {
		got, err := Fields(c.in)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Fields(%q) = %q, %v, want %q", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{`"open`, `a "b"c`, `x="open`, "\"\\q\"", `x="a"b`} {
		if got, err := Fields(in); err == nil {
			t.Errorf("Fields(%q) = %q, want an error", in, got)
		}
	}
}

func TestAttrs(t *testing.T) {
	in := []Attr{{"state", "idle"}, {"error", ""}, {"tokens/s", "1.5"}, {"stop_word", "a=\"b\" c\n"}}
	line := string(AppendAttrs(nil, in...))
	if want := `state=idle error="" tokens/s=1.5 stop_word="a=\"b\" c\n"`; line != want {
		t.Fatalf("got %s, want %s", line, want)
	}
	got, err := ParseAttrs(line + "\n")
	if err != nil || !slices.Equal(got, in) {
		t.Fatalf("got %v, %v", got, err)
	}
	if FindAttr(got, "tokens/s") != "1.5" || FindAttr(got, "none") != "" {
		t.Fatal("FindAttr")
	}
	for _, bad := range []string{"word", "a=1 word", "=x", `"a"=b`, `a="x`} {
		if got, err := ParseAttrs(bad); err == nil {
			t.Errorf("ParseAttrs(%q) = %v, want an error", bad, got)
		}
	}
}

func TestEventLine(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	line := string(eventLine(at, "model", []Attr{{"name", "a b"}, {"percent", "5"}}))
	if want := "2026-03-01T12:00:00.005Z model name=\"a b\" percent=5\n"; line != want {
		t.Fatalf("got %q, want %q", line, want)
	}
	got, kind, attrs, err := ParseEvent(line)
	if err != nil || !got.Equal(at) || kind != "model" || FindAttr(attrs, "name") != "a b" {
		t.Fatalf("got %v %q %v %v", got, kind, attrs, err)
	}
	if _, kind, attrs, err = ParseEvent("2026-03-01T12:00:00Z drain\n"); err != nil || kind != "drain" || len(attrs) != 0 {
		t.Fatalf("got %q %v %v", kind, attrs, err)
	}
	if _, _, _, err := ParseEvent("noon model"); err == nil {
		t.Fatal("a bad time is taken")
	}
}

// FuzzFields checks that what Quote writes is read back, and that no line
// breaks the reader.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"", "a b", "\xe2\"", "a=\"b\"", "`", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := string(AppendFields(nil, s, "x", s))
		if strings.ContainsAny(line, "\n\r") || !utf8.ValidString(line) {
			t.Fatalf("%q is no line", line)
		}
		got, err := Fields(line)
		if err != nil || !slices.Equal(got, []string{s, "x", s}) {
			t.Fatalf("%q: got %q, %v", line, got, err)
		}
		attrs, err := ParseAttrs(string(AppendAttrs(nil, Attr{"v", s}, Attr{"w", s})))
		if err != nil || len(attrs) != 2 || attrs[0].Value != s || attrs[1].Value != s {
			t.Fatalf("%q: got %q, %v", s, attrs, err)
		}
		Fields(s)
		ParseAttrs(s)
		ParseEvent(s)
	})
}

func TestCut(t *testing.T) {
	data := []byte("one\ntwo\nthree\n")
	for _, c := range []struct {
		off  int64
		n    int
		want string
	}{
		{0, 100, "one\ntwo\nthree\n"},
		{0, 9, "one\ntwo\n"},
		{0, 8, "one\ntwo\n"},
		{0, 7, "one\n"},
		{0, 2, "on"}, // one line is longer than the count
		{2, 2, "e\n"},
		{8, 4, "thre"},
		{14, 4, ""},
		{99, 4, ""},
	} {
		p := make([]byte, c.n)
		if got := string(p[:cutLines(p, data, c.off)]); got != c.want {
			t.Errorf("lines from %d, %d bytes: got %q, want %q", c.off, c.n, got, c.want)
		}
	}
	text := []byte("a€b𝄞")
	for _, c := range []struct {
		off  int64
		n    int
		want string
	}{
		{0, 100, "a€b𝄞"},
		{0, 3, "a"},
		{0, 4, "a€"},
		{1, 2, "\xe2\x82"}, // the count is smaller than the rune
		{3, 1, "\xac"},
		{0, 8, "a€b"},
		{0, 9, "a€b𝄞"},
	} {
		p := make([]byte, c.n)
		if got := string(p[:cutText(p, text, c.off)]); got != c.want {
			t.Errorf("text from %d, %d bytes: got %q, want %q", c.off, c.n, got, c.want)
		}
	}
	// The text itself may end inside a rune, and may be no UTF-8 at all.
	p := make([]byte, 8)
	if got := string(p[:cutText(p, []byte("a\xe2"), 0)]); got != "a\xe2" {
		t.Errorf("got %q", got)
	}
	if got := string(p[:cutText(p[:3], []byte("\x80\x80\x80\x80"), 0)]); got != "\x80\x80\x80" {
		t.Errorf("got %q", got)
	}
}
