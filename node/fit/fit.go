// Package fit tells what a model and its contexts take of memory, so that what
// does not fit is an error before llama.cpp tries.
package fit

import (
	"fmt"
	"strconv"
	"strings"
)

// bytesText prints a number of bytes for people.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<30), 'f', 2, 64) + " GiB"
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	}
	return strconv.FormatUint(n/1024, 10) + " KiB"
}

// A Need is a sum of memory with its parts, for an error that shows its work.
type Need struct {
	total uint64
	parts []string
}

// Add adds a part, named for people.
func (n *Need) Add(what string, bytes uint64) {
	n.total += bytes
	n.parts = append(n.parts, what+" "+bytesText(bytes))
}

// Fits says whether n fits into free bytes; free 0 is not known and fits.
func (n *Need) Fits(free uint64) error {
	if free == 0 || n.total <= free {
		return nil
	}
	return fmt.Errorf("not enough memory: %s = %s; %s are available", strings.Join(n.parts, " + "), bytesText(n.total), bytesText(free))
}
