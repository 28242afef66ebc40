//go:build !unix

package llama

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// lock makes file, which it may not find there; wait is called once when it
// does. A lock left by a program that was killed must be removed by hand.
func lock(ctx context.Context, file string, wait func()) (unlock func(), err error) {
	for waited := false; ; waited = true {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			f.Close()
			return func() { os.Remove(file) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if !waited {
			wait()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
