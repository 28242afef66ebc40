package mnt

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llama9/ninep"
)

func frame(t testing.TB, f *ninep.Fcall) []byte {
	b, err := f.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever answers a request wrongly loses the connection: the call fails as
// hung up, and no goroutine is left, which synctest sees to.
func TestHostileReplies(t *testing.T) {
	read := func(fs *Fsys, f *File) error {
		_, err := f.ReadAt(context.Background(), make([]byte, 10), 0)
		return err
	}
	write := func(fs *Fsys, f *File) error {
		_, err := f.WriteAt(context.Background(), []byte("hello"), 0)
		return err
	}
	walk := func(fs *Fsys, f *File) error {
		_, err := fs.Root().Walk(context.Background(), "a", "b")
		return err
	}
	stat := func(fs *Fsys, f *File) error {
		_, err := f.Stat(context.Background())
		return err
	}
	// The request that is answered has tag 0.
	b := func(f *ninep.Fcall) []byte { return frame(t, f) }
	for _, tt := range []struct {
		what string
		call func(*Fsys, *File) error
		sent []byte
	}{
		{"size 0", read, []byte{0, 0, 0, 0, ninep.Rread, 0, 0}},
		{"size 6", read, []byte{6, 0, 0, 0, ninep.Rread, 0, 0}},
		{"size over msize", read, []byte{1, 32, 0, 0, ninep.Rread, 0, 0}},
		{"size of 4 GiB", read, []byte{255, 255, 255, 255, ninep.Rread, 0, 0, 255, 255, 255, 255}},
		{"a tag not in use", read, b(&ninep.Fcall{Type: ninep.Rread, Tag: 9})},
		{"NOTAG", read, b(&ninep.Fcall{Type: ninep.Rread, Tag: ninep.NoTag})},
		{"another reply", read, b(&ninep.Fcall{Type: ninep.Rwrite})},
		{"a request", read, b(&ninep.Fcall{Type: ninep.Tread})},
		{"no such type", read, []byte{7, 0, 0, 0, 106, 0, 0}},
		{"Rread to a write", write, b(&ninep.Fcall{Type: ninep.Rread})},
		{"Rflush to a read", read, b(&ninep.Fcall{Type: ninep.Rflush})},
		{"Rread without count", read, []byte{9, 0, 0, 0, ninep.Rread, 0, 0, 0, 0}},
		{"more than asked", read, b(&ninep.Fcall{Type: ninep.Rread, Data: make([]byte, 11)})},
		{"count over size", read, []byte{12, 0, 0, 0, ninep.Rread, 0, 0, 2, 0, 0, 0, 'x'}},
		{"count under size", read, []byte{12, 0, 0, 0, ninep.Rread, 0, 0, 0, 0, 0, 0, 'x'}},
		{"count of 4 GiB", read, []byte{12, 0, 0, 0, ninep.Rread, 0, 0, 255, 255, 255, 255, 'x'}},
		{"more written than sent", write, b(&ninep.Fcall{Type: ninep.Rwrite, Count: 6})},
		{"too many qids", walk, b(&ninep.Fcall{Type: ninep.Rwalk, Wqid: make([]ninep.Qid, 3)})},
		{"no qids", walk, b(&ninep.Fcall{Type: ninep.Rwalk})},
		{"sixteen qids", walk, b(&ninep.Fcall{Type: ninep.Rwalk, Wqid: make([]ninep.Qid, 16)})},
		{"qids that are not there", walk, []byte{9, 0, 0, 0, ninep.Rwalk, 0, 0, 2, 0}},
		{"trailing bytes", walk, []byte{23, 0, 0, 0, ninep.Rwalk, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"an error that is not UTF-8", read, b(&ninep.Fcall{Type: ninep.Rerror, Ename: "\xff"})},
		{"an error that is not there", read, []byte{7, 0, 0, 0, ninep.Rerror, 0, 0}},
		{"bytes behind a stat", stat, b(&ninep.Fcall{Type: ninep.Rstat, Stat: append(ninep.AppendStat(nil, &ninep.Stat{}), 0)})},
		{"half a frame", read, []byte{20, 0, 0, 0, ninep.Rread, 0}},
		{"nothing", read, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, s := connect(t, Options{})
				f := openFile(t, fs, s)
				c := fs.Conn()
				c.mu.Lock()
				c.free = []uint16{1, 0}
				c.mu.Unlock()
				done := background(func() error { return tt.call(fs, f) })
				s.read()
				s.raw(tt.sent)
				s.conn.Close()
				err := <-done
				if tt.what == "bytes behind a stat" {
					if !errors.Is(err, ninep.ErrProto) {
						t.Errorf("the call: %v", err)
					}
					return
				}
				if !errors.Is(err, ninep.ErrHangup) {
					t.Errorf("the call: %v", err)
				}
				whole := len(tt.sent) >= 7
				if errors.Is(c.Err(), ninep.ErrProto) != whole {
					t.Errorf("the connection: %v", c.Err())
				}
			})
		})
	}
}

func TestDuplicateReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		done := background(func() error {
			_, err := fs.Root().Walk(t.Context())
			return err
		})
		f := s.read()
		s.send(reply(f, "Rwalk"))
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.send(reply(f, "Rwalk"))
		<-fs.Conn().Done()
		if err := fs.Conn().Err(); !errors.Is(err, ninep.ErrProto) {
			t.Error(err)
		}
	})
}

// A reply to a request that is queued, but was never sent, is no reply.
func TestReplyBeforeRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		f := openFile(t, fs, s)
		first := background(func() error {
			_, err := f.WriteAt(t.Context(), make([]byte, 8000), 0)
			return err
		})
		synctest.Wait() // the writer is stuck with it
		second := background(func() error {
			_, err := f.ReadAt(t.Context(), make([]byte, 10), 0)
			return err
		})
		synctest.Wait()
		for tag := range uint16(2) {
			s.raw(frame(t, &ninep.Fcall{Type: ninep.Rread, Tag: tag}))
		}
		for _, c := range []chan error{first, second} {
			if err := <-c; !errors.Is(err, ninep.ErrHangup) {
				t.Error(err)
			}
		}
	})
}

func TestHostileVersion(t *testing.T) {
	version := func(msize uint32, v string) []byte {
		return frame(t, &ninep.Fcall{Type: ninep.Rversion, Tag: ninep.NoTag, Msize: msize, Version: v})
	}
	for _, tt := range []struct {
		what string
		sent []byte
		want error
	}{
		{"a larger msize", version(8193, "9P2000"), ninep.ErrProto},
		{"a tiny msize", version(255, "9P2000"), ninep.ErrProto},
		{"unknown", version(8192, "unknown"), ninep.ErrProto},
		{"another version", version(8192, "9P2000.L"), ninep.ErrProto},
		{"an error", frame(t, &ninep.Fcall{Type: ninep.Rerror, Tag: ninep.NoTag, Ename: "permission denied"}), ninep.ErrPermission},
		{"another tag", frame(t, &ninep.Fcall{Type: ninep.Rversion, Msize: 8192, Version: "9P2000"}), ninep.ErrHangup},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), ninep.ErrHangup},
		{"a large frame", []byte{0, 0, 1, 0, ninep.Rversion, 255, 255}, ninep.ErrHangup},
		{"nothing", nil, ninep.ErrHangup},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				done := background(func() error {
					_, err := NewConn(t.Context(), ours, Options{Msize: 8192})
					return err
				})
				s := &script{t, theirs, nil}
				if _, err := io.ReadFull(theirs, make([]byte, 19)); err != nil {
					t.Fatal(err)
				}
				s.raw(tt.sent)
				theirs.Close()
				if err := <-done; !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		})
	}
	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := NewConn(ctx, ours, Options{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	})
}

func TestHostileDirectory(t *testing.T) {
	entry := func(name string) string {
		return string(ninep.AppendStat(nil, &ninep.Stat{Name: name}))
	}
	for _, tt := range []struct {
		what string
		data string
	}{
		{"garbage", "garbage"},
		{"half an entry", entry("good") + entry("bad")[:20]},
		{"a slash", entry("good") + entry("a/b")},
		{"the parent", entry("..")},
		{"the directory", entry(".")},
		{"no name", entry("")},
	} {
		fs, s := connect(t, Options{})
		f := openFile(t, fs, s)
		done := background(func() error {
			_, err := f.ReadDir(t.Context())
			return err
		})
		r := s.read()
		s.raw(frame(t, &ninep.Fcall{Type: ninep.Rread, Tag: r.Tag, Data: []byte(tt.data)}))
		if err := <-done; !errors.Is(err, ninep.ErrProto) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

func TestHostileSession(t *testing.T) {
	for _, id := range []string{"", "..", "1/../2"} {
		fs, s := connect(t, Options{})
		done := background(func() error {
			_, err := StartTurn(t.Context(), fs, "", nil)
			return err
		})
		w, o, r := s.read(), s.read(), s.read()
		s.send(reply(w, "Rwalk nwqid 2 0:(2 0 d) 1:(3 0 )"), reply(o, "Ropen qid (3 0 )"))
		s.raw(frame(t, &ninep.Fcall{Type: ninep.Rread, Tag: r.Tag, Data: []byte(id)}))
		if err := <-done; !errors.Is(err, ninep.ErrProto) {
			t.Errorf("session %q: %v", id, err)
		}
	}
}

func TestRemoteErrors(t *testing.T) {
	for text, want := range map[string]error{
		"file does not exist":         ninep.ErrNotExist,
		"No such file or directory":   ninep.ErrNotExist,
		"Permission denied":           ninep.ErrPermission,
		"permission denied":           ninep.ErrPermission,
		"Device or resource busy":     ninep.ErrBusy,
		"unknown fid":                 ninep.ErrBadFid,
		"file already exists":         ninep.ErrExist,
		"not a directory":             ninep.ErrNotDir,
		"Operation not supported":     ninep.ErrNotSupp,
		"Stale file handle":           ninep.ErrStale,
		"i/o error":                   ninep.ErrIO,
		"Interrupted system call":     ninep.ErrInterrupted,
		"protocol botch":              ninep.ErrProto,
		"Disk quota exceeded":         ninep.ErrQuota,
		"file system is full":         ninep.ErrNoSpace,
		"Cannot allocate memory":      ninep.ErrNoMem,
		"file is in use":              ninep.ErrAgain,
		"Invalid argument":            ninep.ErrInvalid,
		"Is a directory":              ninep.ErrIsDir,
		"Too many open files":         ninep.ErrTooMany,
		"File too large":              ninep.ErrTooBig,
		"fid unknown or out of range": ninep.ErrBadFid,
	} {
		err := remoteError(text)
		if !errors.Is(err, want) || err.Error() != text {
			t.Errorf("%q: %#v is not %v", text, err, want)
		}
	}
	err := remoteError("the llama is asleep")
	for _, s := range []error{ninep.ErrIO, ninep.ErrNotExist, ninep.ErrProto} {
		if errors.Is(err, s) {
			t.Errorf("an unknown text is %v", s)
		}
	}
	// No text may stand for two numbers.
	seen := map[string]uint32{}
	for no, texts := range errnoTexts {
		for _, s := range texts {
			if other, ok := seen[s]; ok {
				t.Errorf("%q is both %d and %d", s, no, other)
			}
			if s != strings.ToLower(s) {
				t.Errorf("%q would never be found", s)
			}
			seen[s] = no
		}
	}
}

// FuzzReplies sends a client anything in answer to a row of requests. All must
// end, in errors or not.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{})
	var good []byte
	for i, r := range []*ninep.Fcall{
		{Type: ninep.Rwalk, Wqid: make([]ninep.Qid, 1)},
		{Type: ninep.Ropen},
		{Type: ninep.Rread, Data: []byte("hello")},
		{Type: ninep.Rstat, Stat: ninep.AppendStat(nil, &ninep.Stat{Name: "f"})},
		{Type: ninep.Rwrite, Count: 3},
		{Type: ninep.Rclunk},
	} {
		r.Tag = uint16(i)
		good = append(good, frame(f, r)...)
	}
	f.Add(good)
	f.Add(frame(f, &ninep.Fcall{Type: ninep.Rerror, Ename: "no"}))
	f.Fuzz(func(t *testing.T, replies []byte) {
		fs, s := connect(t, Options{})
		go io.Copy(io.Discard, s.conn)
		b := fs.Batch()
		file := b.Open("f", ninep.ORDWR)
		r := b.Read(file, make([]byte, 10), 0)
		b.Stat(file)
		w := b.Write(file, []byte("hello"), 0)
		b.Close(file)
		done := background(func() error { return b.Do(t.Context()) })
		s.raw(replies)
		s.conn.Close()
		if err := <-done; err == nil && (r.N > 10 || w.N > 5) {
			t.Errorf("read %d, wrote %d", r.N, w.N)
		}
		fs.Conn().Close()
	})
}
