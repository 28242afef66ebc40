package main

import (
	"fmt"
	"strconv"
	"strings"
)

// parseSize reads a number of bytes, as 512M or 8G.
func parseSize(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	num, shift := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I"), 0
	for i, unit := range []string{"K", "M", "G", "T"} {
		if n, ok := strings.CutSuffix(num, unit); ok {
			num, shift = n, 10*(i+1)
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || !(v > 0) || v*float64(uint64(1)<<shift) >= 1<<63 {
		return 0, fmt.Errorf("%q is no size; write it as 512M or 8G", s)
	}
	return uint64(v * float64(uint64(1)<<shift)), nil
}
