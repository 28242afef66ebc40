package styxfs

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"llama9/ninep"
)

// Quote gives s as a field of a record: as it is, or as a Go string literal
// where it is empty or has a byte that a bare field may not have. See tree.md,
// Text. Fields and ParseAttrs read what Quote writes.
func Quote(s string) string {
	if bare(s) {
		return s
	}
	return strconv.Quote(s)
}

// AppendQuote appends Quote(s) to b.
func AppendQuote(b []byte, s string) []byte {
	if bare(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

// bare says whether s may stand in a record without quotes.
func bare(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == 0x7f || c == '"' || c == '\'' || c == '\\' || c == '`' || c == '=' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) {
			return false
		}
		i += n
	}
	return true
}

// AppendFields appends words as a record, without the newline.
func AppendFields(b []byte, words ...string) []byte {
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = AppendQuote(b, w)
	}
	return b
}

// AppendAttrs appends attrs as a record, without the newline.
func AppendAttrs(b []byte, attrs ...Attr) []byte {
	for i, a := range attrs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, a.Name...)
		b = append(b, '=')
		b = AppendQuote(b, a.Value)
	}
	return b
}

// Fields splits a record into its fields. A field is a Go string literal, or
// runs to the next space; a literal may also stand behind a field's first =,
// as in name="a b".
func Fields(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return words, nil
		}
		w, _, rest, err := scan(line)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
		line = rest
	}
}

// ParseAttrs splits a record of attr=value.
func ParseAttrs(line string) ([]Attr, error) {
	var attrs []Attr
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return attrs, nil
		}
		w, eq, rest, err := scan(line)
		if err != nil {
			return nil, err
		}
		if eq <= 0 {
			return nil, ninep.Errorf(ninep.ErrInvalid, "%s: not attr=value", Quote(w))
		}
		attrs = append(attrs, Attr{w[:eq], w[eq+1:]})
		line = rest
	}
}

// ParseEvent splits an event, `TIME KIND attr=value ...`.
func ParseEvent(line string) (at time.Time, kind string, attrs []Attr, err error) {
	first, rest, _ := strings.Cut(line, " ")
	kind, rest, _ = strings.Cut(rest, " ")
	if at, err = time.Parse(time.RFC3339, first); err != nil {
		return at, "", nil, ninep.Errorf(ninep.ErrInvalid, "%s: not a time", Quote(first))
	}
	attrs, err = ParseAttrs(rest)
	return at, strings.TrimSpace(kind), attrs, err
}

// FindAttr gives the value of the attribute called name, "" if there is none.
func FindAttr(attrs []Attr, name string) string {
	for _, a := range attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// scan takes the first field off line, which begins with it. eq is where its
// first bare = stands, -1 without one.
func scan(line string) (word string, eq int, rest string, err error) {
	if line[0] == '"' || line[0] == '`' {
		word, rest, err = literal(line)
		return word, -1, rest, err
	}
	end := strings.IndexAny(line, " \t\r\n")
	if end < 0 {
		end = len(line)
	}
	eq = strings.IndexByte(line[:end], '=')
	if eq >= 0 && eq+1 < end && (line[eq+1] == '"' || line[eq+1] == '`') {
		v, rest, err := literal(line[eq+1:])
		return line[:eq+1] + v, eq, rest, err
	}
	return line[:end], eq, line[end:], nil
}

// literal takes a Go string literal off s.
func literal(s string) (text, rest string, err error) {
	q, err := strconv.QuotedPrefix(s)
	if err == nil {
		text, err = strconv.Unquote(q)
	}
	if err != nil {
		return "", "", ninep.Errorf(ninep.ErrInvalid, "bad quotes: %s", clip(s))
	}
	rest = s[len(q):]
	if rest != "" && !strings.ContainsRune(" \t\r\n", rune(rest[0])) {
		return "", "", ninep.Errorf(ninep.ErrInvalid, "text after quotes: %s", clip(s))
	}
	return text, rest, nil
}

// clip gives the beginning of a word that an error names.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// lines splits a write to a ctl into the fields of its lines. Empty lines are
// left out.
func lines(p []byte) ([][]string, error) {
	var cmds [][]string
	for line := range strings.Lines(string(p)) {
		words, err := Fields(line)
		if err != nil {
			return nil, err
		}
		if len(words) > 0 {
			cmds = append(cmds, words)
		}
	}
	return cmds, nil
}

// formatTime prints t as RFC 3339, "" for none.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// onOff prints a boolean.
func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// cutLines copies into p what data has from off on, up to a line's end unless
// one line is longer than p.
func cutLines(p, data []byte, off int64) int {
	if off < 0 || off >= int64(len(data)) {
		return 0
	}
	n := copy(p, data[off:])
	if int(off)+n == len(data) {
		return n
	}
	for i := n - 1; i >= 0; i-- {
		if p[i] == '\n' {
			return i + 1
		}
	}
	return n
}

// cutText copies into p what data has from off on, and ends inside a rune only
// where p is smaller than the rune, or data ends there.
func cutText(p, data []byte, off int64) int {
	if off < 0 || off >= int64(len(data)) {
		return 0
	}
	n := copy(p, data[off:])
	if int(off)+n == len(data) {
		return n
	}
	for i := n - 1; i > 0 && i >= n-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:n]) {
				return i
			}
			break
		}
	}
	return n
}
