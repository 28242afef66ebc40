package deploy

import (
	"strings"

	"llama9/styxfs"
)

// parseRecords reads lines of attr=value.
func parseRecords(text string) ([][]styxfs.Attr, error) {
	var l [][]styxfs.Attr
	for line := range strings.Lines(text) {
		attrs, err := styxfs.ParseAttrs(line)
		if err != nil {
			return nil, err
		}
		l = append(l, attrs)
	}
	return l, nil
}
