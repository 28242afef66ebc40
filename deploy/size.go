package deploy

import (
	"fmt"
	"strconv"
	"strings"
)

// A Size is a number of bytes, written 512M or 8G.
type Size uint64

func parseSize(s string) (Size, error) {
	num, shift := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I"), 0
	for i, unit := range []string{"K", "M", "G", "T"} {
		if n, ok := strings.CutSuffix(num, unit); ok {
			num, shift = n, 10*(i+1)
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || !(v >= 0) || v*float64(uint64(1)<<shift) >= 1<<63 {
		return 0, fmt.Errorf("%q is no size", s)
	}
	return Size(v * float64(uint64(1)<<shift)), nil
}

// String gives s as a file has it.
func (s Size) String() string {
	for i, unit := range []string{"T", "G", "M", "K"} {
		if shift := 40 - 10*i; s != 0 && s%(1<<shift) == 0 {
			return strconv.FormatUint(uint64(s>>shift), 10) + unit
		}
	}
	return strconv.FormatUint(uint64(s), 10)
}

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
