//go:build !unix

package journal

import (
	"errors"
	"os"
)

// lockDir refuses: without flock(2) two processes could write one journal.
func lockDir(dir string) (*os.File, error) {
	return nil, errors.New(dir + ": a journal needs flock(2), which this system does not have")
}
