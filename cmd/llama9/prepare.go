package main

import (
	"context"
	"errors"
	"fmt"
)

// prepare gives the session what the flags say.
func (r *runFlags) prepare(ctx context.Context, s *session) error {
	for _, w := range []struct{ flag, file, text string }{
		{"", "ctl", "onclose cancel\n" + string(r.lines)},
		{"--system", "system", r.system}, {"--grammar", "grammar", r.grammar}, {"--json-schema", "schema", r.schema},
	} {
		if w.text == "" {
			continue
		}
		err := s.write(ctx, w.file, w.text)
		if err == nil && w.flag != "" {
			var text string
			if text, err = s.attr(ctx, "error"); err == nil && text != "" {
				err = errors.New(text)
			}
		}
		if err != nil && w.flag != "" {
			err = fmt.Errorf("%s: %w", w.flag, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
