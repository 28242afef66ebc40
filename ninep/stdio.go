package ninep

import (
	"errors"
	"io"
	"os"
	"time"
)

// Stdio is a connection on the descriptors 0 and 1, for ServeConn: what ssh,
// inetd and Inferno's mount {command} give a program. os.Stdin and os.Stdout
// are not to be used after.
func Stdio() io.ReadWriteCloser {
	return &filePair{pollable(os.Stdin), pollable(os.Stdout)}
}

// A filePair reads one file and writes another.
type filePair struct{ in, out *os.File }

func (p *filePair) Read(b []byte) (int, error)         { return p.in.Read(b) }
func (p *filePair) Write(b []byte) (int, error)        { return p.out.Write(b) }
func (p *filePair) Close() error                       { return errors.Join(p.in.Close(), p.out.Close()) }
func (p *filePair) SetWriteDeadline(t time.Time) error { return p.out.SetWriteDeadline(t) }
