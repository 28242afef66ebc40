package ninep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTranscripts plays testdata/*.p9, each on a connection of its own. The
// lines of a file are, in order:
//
//	# a remark
//	T...          a message to send; T lines that follow each other go in one write
//	R...          an answer; R lines that follow each other may come in any order;
//	              a last "*" stands for any rest
//	!wait NAME    wait until the blocking file NAME is in use
//	!say TEXT     write to the pipe, behind the server's back
//	!fail         the pipe fails behind its last byte
//	!end          the pipe ends
//	!eof          the server hangs up
//
// A file that does not begin with a Tversion is played after one and an attach
// of fid 0 as glenda. Those in testdata/linux are of 9P2000.L.
func TestTranscripts(t *testing.T) { playAll(t, "testdata/*.p9", (*wire).start) }

// TestLinuxTranscripts is TestTranscripts in 9P2000.L.
func TestLinuxTranscripts(t *testing.T) { playAll(t, "testdata/linux/*.p9", (*wire).startL) }

func playAll(t *testing.T, files string, start func(*wire) *wire) {
	names, err := filepath.Glob(files)
	if err != nil || len(names) == 0 {
		t.Fatal("no transcripts: ", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".p9"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			play(t, start, strings.Split(string(b), "\n"))
		})
	}
}

func play(t *testing.T, start func(*wire) *wire, lines []string) {
	w := dial(t, nil)
	begun := false
	for i := 0; i < len(lines); {
		first := i
		line := strings.TrimSpace(lines[i])
		block := func(prefix string) (all []string) {
			for ; i < len(lines) && strings.HasPrefix(lines[i], prefix); i++ {
				all = append(all, strings.TrimSpace(lines[i]))
			}
			return all
		}
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#':
			i++
			continue
		case line[0] == 'T':
			if !begun && word != "Tversion" {
				start(w)
			}
			begun = true
			w.send(block("T")...)
		case line[0] == 'R':
			w.wantAll(fmt.Sprint("line ", first+1), block("R")...)
		case word == "!wait":
			w.entered(rest)
			i++
		case word == "!say":
			w.fs.say(rest)
			i++
		case word == "!fail":
			w.fs.finish(ErrIO)
			i++
		case word == "!end":
			w.fs.finish(nil)
			i++
		case word == "!eof":
			w.eof()
			i++
		default:
			t.Fatalf("line %d: what is %q?", first+1, line)
		}
	}
}
