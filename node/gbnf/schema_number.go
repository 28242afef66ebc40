package gbnf

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxDigits is how many digits a whole number has, as in llama.cpp.
const maxDigits = 16

// whole gives v as an integer, if it is one: 3, 3.0 and 3e2 are.
func whole(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// bounds are those of a number; a nil one is open. exLo and exHi say that the
// bound itself is out.
type bounds struct {
	lo, hi     *int64
	exLo, exHi bool
}

func readBounds(s *object, path string) bounds {
	var b bounds
	read := func(key string) *int64 {
		v, ok := s.vals[key]
		if !ok {
			return nil
		}
		n, ok := whole(v)
		if !ok || n <= -1e15 || n >= 1e15 {
			fail(path, "%s %s: only whole numbers of up to 15 digits are supported", key, encode(v))
		}
		return &n
	}
	b.lo, b.hi = read("minimum"), read("maximum")
	if x := read("exclusiveMinimum"); x != nil && (b.lo == nil || *x >= *b.lo) {
		b.lo, b.exLo = x, true
	}
	if x := read("exclusiveMaximum"); x != nil && (b.hi == nil || *x <= *b.hi) {
		b.hi, b.exHi = x, true
	}
	if m, ok := s.vals["multipleOf"]; ok {
		if n, ok := whole(m); !ok || n != 1 || s.vals["type"] == "number" {
			fail(path, "multipleOf %s is not supported", encode(m))
		}
	}
	return b
}

func (c *converter) integer(s *object, path string) string {
	b := readBounds(s, path)
	if b.lo == nil && b.hi == nil {
		return c.use("integer")
	}
	c.use("space")
	lo, hi := b.lo, b.hi
	if b.exLo {
		lo = ptr(*lo + 1)
	}
	if b.exHi {
		hi = ptr(*hi - 1)
	}
	alts := between(lo, hi)
	if alts == nil {
		fail(path, "no integer is between minimum and maximum")
	}
	return "(" + strings.Join(alts, " | ") + ") space"
}

// number writes a number with bounds as a whole number and a fraction. On
// either side of zero, it is at least a and under b, or b itself.
func (c *converter) number(s *object, path string) string {
	b := readBounds(s, path)
	if b.lo == nil && b.hi == nil {
		return c.use("number")
	}
	c.use("space")
	var alts []string
	if b.hi == nil || *b.hi > 0 || *b.hi == 0 && !b.exHi {
		lo, ex := int64(0), false
		if b.lo != nil && *b.lo >= 0 {
			lo, ex = *b.lo, b.exLo
		}
		alts = append(alts, fractions("", lo, ex, b.hi, b.exHi)...)
	}
	if b.lo == nil || *b.lo < 0 {
		lo, ex := int64(0), true // -0 is left out
		if b.hi != nil && *b.hi < 0 {
			lo, ex = -*b.hi, b.exHi
		}
		var hi *int64
		if b.lo != nil {
			hi = ptr(-*b.lo)
		}
		alts = append(alts, fractions(`"-" `, lo, ex, hi, b.exLo)...)
	}
	if alts == nil {
		fail(path, "no number is between minimum and maximum")
	}
	return "(" + strings.Join(alts, " | ") + ") space"
}

// fractions writes the numbers from lo to hi, 0 <= lo.
func fractions(sign string, lo int64, exLo bool, hi *int64, exHi bool) []string {
	var alts []string
	if hi != nil && (lo > *hi || lo == *hi && (exLo || exHi)) {
		return nil
	}
	if hi == nil || lo < *hi {
		first := lo
		if exLo {
			// Just over lo: some digit behind the point is not 0.
			alts = append(alts, sign+literal(strconv.FormatInt(lo, 10))+` "." [0-9]{0,14} [1-9]`)
			first++
		}
		var last *int64
		if hi != nil {
			last = ptr(*hi - 1)
		}
		if ints := between(&first, last); ints != nil {
			alts = append(alts, fmt.Sprintf(`%s(%s) ("." [0-9]{1,16})?`, sign, strings.Join(ints, " | ")))
		}
	}
	if hi != nil && !exHi {
		alts = append(alts, sign+literal(strconv.FormatInt(*hi, 10))+` ("." "0"{1,16})?`)
	}
	return alts
}

func ptr(n int64) *int64 { return &n }

// between writes the integers from lo to hi, nil if there are none; a nil
// bound is open up to maxDigits digits.
func between(lo, hi *int64) []string {
	var alts []string
	if hi == nil || *hi >= 0 {
		from := int64(0)
		if lo != nil {
			from = max(from, *lo)
		}
		alts = append(alts, natural("", from, hi)...)
	}
	if lo == nil || *lo < 0 {
		from := int64(1) // no -0
		if hi != nil {
			from = max(from, -*hi)
		}
		var to *int64
		if lo != nil {
			to = ptr(-*lo)
		}
		alts = append(alts, natural(`"-" `, from, to)...)
	}
	return alts
}

// natural writes sign and the integers from lo to hi, 0 <= lo, by their
// number of digits.
func natural(sign string, lo int64, hi *int64) []string {
	var alts []string
	if hi != nil && lo > *hi {
		return nil
	}
	for digits := len(fmt.Sprint(lo)); digits <= maxDigits; digits++ {
		least, most := "1"+strings.Repeat("0", digits-1), strings.Repeat("9", digits)
		if digits == 1 {
			least = "0"
		}
		if a := fmt.Sprint(lo); len(a) == digits {
			least = a
		} else if hi == nil {
			// All longer ones at once.
			return append(alts, fmt.Sprintf("%s[1-9] [0-9]{%d,%d}", sign, digits-1, maxDigits-1))
		}
		last := hi != nil && len(fmt.Sprint(*hi)) == digits
		if last {
			most = fmt.Sprint(*hi)
		}
		alts = append(alts, sign+equalLength(least, most))
		if last {
			break
		}
	}
	return alts
}

// equalLength writes the rows of digits from lo to hi.
func equalLength(lo, hi string) string {
	n := len(lo)
	switch {
	case lo == hi:
		return literal(lo)
	case n == 1:
		return digit(lo[0], hi[0])
	case lo[0] == hi[0]:
		return literal(lo[:1]) + " " + equalLength(lo[1:], hi[1:])
	}
	zeros, nines := strings.Repeat("0", n-1), strings.Repeat("9", n-1)
	first, last := lo[0], hi[0]
	var alts []string
	if lo[1:] != zeros {
		alts = append(alts, literal(lo[:1])+" "+equalLength(lo[1:], nines))
		first++
	}
	tail := ""
	if hi[1:] != nines {
		tail = literal(hi[:1]) + " " + equalLength(zeros, hi[1:])
		last--
	}
	if first <= last {
		alts = append(alts, fmt.Sprintf("%s [0-9]%s", digit(first, last), times(n-1, n-1)))
	}
	if tail != "" {
		alts = append(alts, tail)
	}
	if len(alts) == 1 {
		return alts[0]
	}
	return "(" + strings.Join(alts, " | ") + ")"
}

func digit(lo, hi byte) string {
	if lo == hi {
		return fmt.Sprintf("[%c]", lo)
	}
	return fmt.Sprintf("[%c-%c]", lo, hi)
}
