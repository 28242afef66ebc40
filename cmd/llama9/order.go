package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

const talkHelp = `A line is the next message; one that ends in \ goes on in the next line.
/NAME VALUE sets a parameter, as /temperature 0; /reset forgets the conversation,
/status shows the last turn, /help this. ^C ends an answer, ^D the conversation.
`

// order obeys a line that began with a slash.
func (r *runFlags) order(ctx context.Context, s *session, cmd string) error {
	switch cmd {
	case "help", "?":
		fmt.Fprint(os.Stderr, talkHelp)
		return nil
	case "status":
		b, err := s.fs.ReadFile(ctx, s.dir+"/status")
		os.Stdout.Write(b)
		return err
	}
	return s.write(ctx, "ctl", cmd+"\n")
}

// say is one turn of a conversation, which an interrupt ends.
func (r *runFlags) say(ctx context.Context, s *session, text string, p *progress) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	out := lastByte{w: os.Stdout}
	p.begin()
	err := s.turn(ctx, text, &out, p.end)
	out.endLine()
	return err
}
