// Llama9 serves language models as a 9P file tree, and speaks to such trees.
// See docs/llama9.1.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	c := command()
	c.SetArgs(expand(os.Args[1:]))
	err := c.ExecuteContext(context.Background())
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "llama9:", err)
	if errors.Is(err, errCancelled) || errors.Is(err, context.Canceled) {
		os.Exit(130) // as after SIGINT
	}
	os.Exit(1)
}
