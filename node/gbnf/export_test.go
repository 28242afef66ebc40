package gbnf

// Verdicts gives f the texts of TestCheck with what the library is known to
// do with them, for library_test.go, which is outside of the package because
// the engine imports it. Texts over which the library hangs are left out.
func Verdicts(f func(text string, takes bool)) {
	for _, text := range good {
		f(text, true)
	}
	for _, b := range bad {
		if b.lib != libHangs {
			f(b.text, b.lib == libTakes)
		}
	}
}
