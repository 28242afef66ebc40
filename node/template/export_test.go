package template

import "strings"

// Marks gives f each family with a text that detect must take for it.
func Marks(f func(name, text string)) {
	for _, m := range marks {
		f(m.family, strings.Join(m.texts, " ~ "))
	}
}
