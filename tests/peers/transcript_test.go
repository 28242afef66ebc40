package peers

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"llama9/ninep"
)

// TestTranscripts plays what real clients were seen to send, testdata/*.p9, to
// the tree of llama9(4). The lines of a file are, in order:
//
//	# a remark
//	!connect     begin another connection
//	!9p STDIN ARG...
//	             the same: what follows is sent by plan9port's 9p
//	T...         a message to send; T lines that follow each other go in one write
//	R...         an answer; R lines that follow each other may come in any order;
//	             a last "*" stands for any rest
//	!cat FID COUNT TEXT
//	             Tread with tag 1 from offset 0 until 0 bytes come, which gives
//	             TEXT, a Go string; "*" stands for anything
func TestTranscripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.p9")
	if err != nil || len(names) == 0 {
		t.Fatal("no transcripts: ", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".p9"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			(&player{t: t, dial: serveLlama(t)}).play(strings.Split(string(b), "\n"))
		})
	}
}

// A player is a client that follows a transcript.
type player struct {
	t    *testing.T
	dial func(testing.TB) net.Conn
	conn net.Conn
	r    *bufio.Reader
	dotl bool // the connection's dialect is 9P2000.L
	line int  // of the transcript, for errors
}

func (p *player) play(lines []string) {
	p.t.Helper()
	for i := 0; i < len(lines); {
		p.line = i + 1
		line := strings.TrimSpace(lines[i])
		block := func(prefix string) (all []string) {
			for ; i < len(lines) && strings.HasPrefix(lines[i], prefix); i++ {
				all = append(all, strings.TrimSpace(lines[i]))
			}
			return all
		}
		switch word, rest, _ := strings.Cut(line, " "); {
		case line == "" || line[0] == '#':
			i++
		case word == "!connect" || word == "!9p":
			p.conn = p.dial(p.t)
			p.r = bufio.NewReader(p.conn)
			i++
		case word == "!cat":
			p.cat(rest)
			i++
		case line[0] == 'T':
			p.send(block("T")...)
		case line[0] == 'R':
			for want := block("R"); len(want) > 0; {
				got := p.recv()
				j := slices.IndexFunc(want, func(s string) bool {
					prefix, any := strings.CutSuffix(s, "*")
					return got == s || any && strings.HasPrefix(got, prefix)
				})
				if j < 0 {
					p.t.Fatalf("line %d: got\n\t%s\nwant of\n\t%s", p.line, got, strings.Join(want, "\n\t"))
				}
				want = slices.Delete(want, j, j+1)
			}
		default:
			p.t.Fatalf("line %d: what is %q?", p.line, line)
		}
	}
}

func (p *player) send(lines ...string) {
	p.t.Helper()
	var b []byte
	for _, line := range lines {
		if strings.HasPrefix(line, "Tversion") {
			p.dotl = strings.HasSuffix(line, "'9P2000.L'")
		}
		var err error
		if p.dotl {
			var l *ninep.Lcall
			if l, err = ninep.ParseLcall(line); err == nil {
				b, err = l.Append(b)
			}
		} else {
			var f *ninep.Fcall
			if f, err = ninep.ParseFcall(line); err == nil {
				b, err = f.Append(b)
			}
		}
		if err != nil {
			p.t.Fatalf("line %d: %s: %v", p.line, line, err)
		}
	}
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("line %d: %v", p.line, err)
	}
}

// recv gives the next message in a line.
func (p *player) recv() string {
	p.t.Helper()
	b := p.frame()
	if p.dotl {
		l := &ninep.Lcall{}
		if err := l.Decode(b); err != nil {
			p.t.Fatalf("line %d: %x: %v", p.line, b, err)
		}
		return l.Line()
	}
	return p.decode(b).Line()
}

func (p *player) decode(b []byte) *ninep.Fcall {
	p.t.Helper()
	f := &ninep.Fcall{}
	if err := f.Decode(b); err != nil {
		p.t.Fatalf("line %d: %x: %v", p.line, b, err)
	}
	return f
}

func (p *player) frame() []byte {
	p.t.Helper()
	// Only a test that fails waits for it.
	p.conn.SetReadDeadline(time.Now().Add(time.Minute))
	head, err := p.r.Peek(4)
	if err != nil {
		p.t.Fatalf("line %d: no answer: %v", p.line, err)
	}
	b := make([]byte, binary.LittleEndian.Uint32(head))
	if _, err := io.ReadFull(p.r, b); err != nil {
		p.t.Fatalf("line %d: %v", p.line, err)
	}
	return b
}

// cat reads a file to its end, as cat would.
func (p *player) cat(args string) {
	p.t.Helper()
	f := strings.SplitN(args, " ", 3)
	want, err := f[2], error(nil)
	if want != "*" {
		if want, err = strconv.Unquote(want); err != nil {
			p.t.Fatalf("line %d: %v", p.line, err)
		}
	}
	var got []byte
	for {
		p.send(fmt.Sprintf("Tread tag 1 fid %s offset %d count %s", f[0], len(got), f[1]))
		r := p.decode(p.frame()) // an Rread is the same in both dialects
		if r.Type != ninep.Rread {
			p.t.Fatalf("line %d: %v", p.line, r)
		}
		if len(r.Data) == 0 {
			break
		}
		got = append(got, r.Data...)
	}
	if want != "*" && string(got) != want {
		p.t.Fatalf("line %d: got %q, want %q", p.line, got, want)
	}
}
