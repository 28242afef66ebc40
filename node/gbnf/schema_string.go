package gbnf

// string writes a string by its pattern, its format or its length.
func (c *converter) string(s *object, path, name string) string {
	c.use("space")
	sized := s.has("minLength") || s.has("maxLength")
	format := s.has("format") && knownFormat(s.vals["format"])
	switch {
	case s.has("pattern"):
		if sized || format {
			fail(path, "pattern beside a length or a format is not supported")
		}
		p, ok := s.vals["pattern"].(string)
		if !ok {
			fail(path, "pattern is a string")
		}
		body, err := c.pattern(p)
		if err != nil {
			fail(path, "pattern %q: %v", p, err)
		}
		return `"\"" ` + c.define(name+"-pattern", body) + ` "\"" space`
	case format:
		if sized {
			fail(path, "format beside a length is not supported")
		}
		return `"\"" ` + c.use(s.vals["format"].(string)) + ` "\"" space`
	case sized:
		lo, hi := count(s, "minLength", 0, path), count(s, "maxLength", -1, path)
		if hi >= 0 && hi < lo {
			fail(path, "maxLength %d is under minLength %d", hi, lo)
		}
		if hi == 0 {
			return `"\"\"" space`
		}
		// A char is one character: there are no halves of pairs as escapes.
		return `"\"" ` + c.use("char") + times(lo, hi) + ` "\"" space`
	}
	return c.use("string")
}
