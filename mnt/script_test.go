package mnt

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"llama9/ninep"
)

// A script is the server of a test, which says and expects each message by
// hand. See ninep.ParseFcall for the lines.
type script struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// connect gives a tree whose server is the script, attached as fid 0.
func connect(t testing.TB, o Options) (*Fsys, *script) {
	t.Helper()
	c, s := connectConn(t, o)
	attached := make(chan error)
	var fs *Fsys
	go func() {
		var err error
		fs, err = c.Attach(t.Context(), "glenda", "")
		attached <- err
	}()
	s.want("Tattach tag 0 fid 0 afid NOFID uname glenda aname ''")
	s.send("Rattach tag 0 qid (1 0 d)")
	if err := <-attached; err != nil {
		t.Fatal(err)
	}
	return fs, s
}

// connectConn gives a connection after the exchange of versions.
func connectConn(t testing.TB, o Options) (*Conn, *script) {
	t.Helper()
	ours, theirs := net.Pipe()
	s := &script{t, theirs, bufio.NewReader(theirs)}
	t.Cleanup(func() { theirs.Close() })
	made := make(chan error)
	var c *Conn
	go func() {
		var err error
		c, err = NewConn(t.Context(), ours, o)
		made <- err
	}()
	s.read()
	s.send("Rversion tag NOTAG msize 8192 version '9P2000'")
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, s
}

// read takes the next message of the client.
func (s *script) read() *ninep.Fcall {
	s.t.Helper()
	head, err := s.r.Peek(4)
	if err != nil {
		s.t.Fatalf("no message: %v", err)
	}
	b := make([]byte, binary.LittleEndian.Uint32(head))
	if _, err := io.ReadFull(s.r, b); err != nil {
		s.t.Fatal(err)
	}
	f := &ninep.Fcall{}
	if err := f.Decode(b); err != nil {
		s.t.Fatalf("%x: %v", b, err)
	}
	return f
}

// want takes the next messages of the client, which must be these.
func (s *script) want(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		if got, want := s.read().Line(), s.parse(line).Line(); got != want {
			s.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// send sends messages to the client.
func (s *script) send(lines ...string) {
	s.t.Helper()
	var b []byte
	for _, line := range lines {
		var err error
		if b, err = s.parse(line).Append(b); err != nil {
			s.t.Fatal(err)
		}
	}
	s.raw(b)
}

// raw sends bytes; a client that has hung up meanwhile is no fault.
func (s *script) raw(b []byte) { s.conn.Write(b) }

func (s *script) parse(line string) *ninep.Fcall {
	s.t.Helper()
	f, err := ninep.ParseFcall(line)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return f
}
