package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// promptOf gives the prompt, or that a conversation is wanted.
func promptOf(args []string, in io.Reader) (prompt string, talk bool, err error) {
	terminal := in == os.Stdin && term.IsTerminal(int(os.Stdin.Fd()))
	if len(args) == 0 {
		if terminal && term.IsTerminal(int(os.Stdout.Fd())) {
			return "", true, nil
		}
		args = []string{"-"}
	}
	var words []string
	for _, a := range args {
		if a == "-" {
			b, err := io.ReadAll(in)
			if err != nil {
				return "", false, fmt.Errorf("standard input: %w", err)
			}
			a = strings.TrimSuffix(string(b), "\n")
		}
		words = append(words, a)
	}
	if prompt = strings.Join(words, " "); prompt == "" {
		return "", false, errors.New("the prompt is empty; give it as an argument or on the standard input")
	}
	return prompt, false, nil
}

// A lastByte remembers how the output ended.
type lastByte struct {
	w    io.Writer
	last byte
}

func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.last = p[len(p)-1]
	}
	return l.w.Write(p)
}

// endLine ends the line, if one was begun.
func (l *lastByte) endLine() {
	if l.last != 0 && l.last != '\n' {
		io.WriteString(l.w, "\n")
	}
	l.last = 0
}
