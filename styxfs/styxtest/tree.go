package styxtest

import (
	"errors"
	"slices"
	"strings"

	"llama9/ninep"
	"llama9/styxfs"
)

var sessionFiles = strings.Fields("ctl prompt system chat grammar schema out token status event")

// testTree looks at names, modes and qids.
func testTree(s *suite) {
	c := s.dial(userA)
	s.contains("/", c.names("/"), "ctl", "model", "status", "event", "metrics", "infer")
	s.contains("infer", c.names("infer"), "new")
	ss := c.session()
	s.same("files", strings.Join(c.names(ss.dir), " "), strings.Join(sessionFiles, " "))
	s.same("again", strings.Join(c.names(ss.dir), " "), strings.Join(sessionFiles, " "))
	s.contains("infer", c.names("infer"), strings.TrimPrefix(ss.dir, "infer/"), "last")
	seen := map[uint64]string{}
	for _, path := range []string{"/", "infer", ss.dir} {
		l, err := c.ReadDir(s.ctx, path)
		if err != nil {
			s.Fatal(err)
		}
		for _, st := range l {
			name := strings.TrimPrefix(path+"/"+st.Name, "/")
			if old := seen[st.Qid.Path]; old != "" {
				s.Errorf("%s and %s have one qid", old, name)
			}
			seen[st.Qid.Path] = name
			if uint32(st.Qid.Type)<<24 != st.Mode&0xff000000 {
				s.Errorf("%s: qid type %x, mode %o", name, st.Qid.Type, st.Mode)
			}
			if st.Mode&ninep.DMDIR == 0 && st.Length != 0 {
				s.Errorf("%s: length %d", name, st.Length)
			}
			again, err := c.Stat(s.ctx, name)
			if err != nil || again.Qid != st.Qid || again.Mode != st.Mode {
				s.Errorf("stat of %s: %v, in the listing %v, %v", name, again, st, err)
			}
		}
	}
	st, err := c.Stat(s.ctx, ss.dir+"/prompt")
	if err != nil || st.Mode&ninep.DMEXCL == 0 {
		s.Errorf("prompt: mode %o, %v", st.Mode, err)
	}
	if _, err := c.Stat(s.ctx, "none"); !errors.Is(err, ninep.ErrNotExist) {
		s.Errorf("a file that is not there: %v", err)
	}
	if _, err := c.Conn().Attach(s.ctx, userA, "none"); err == nil {
		s.Error("attached to nothing")
	}
	for _, aname := range []string{"", "/", "ctl", "infer"} {
		if _, err := c.Conn().Attach(s.ctx, userA, aname); err != nil {
			s.Errorf("attach to %q: %v", aname, err)
		}
	}
	for _, line := range strings.Split(strings.TrimSuffix(c.read("model"), "\n"), "\n") {
		attrs, err := styxfs.ParseAttrs(line)
		if err != nil || styxfs.FindAttr(attrs, "name") == "" || styxfs.FindAttr(attrs, "state") == "" {
			s.Errorf("model: %q, %v", line, err)
		}
	}
	attrs, err := styxfs.ParseAttrs(c.read("status"))
	if err != nil {
		s.Fatal(err)
	}
	for _, name := range strings.Fields("version uptime state slots busy queue sessions tokens/s error") {
		if !slices.ContainsFunc(attrs, func(a styxfs.Attr) bool { return a.Name == name }) {
			s.Errorf("the root's status has no %s", name)
		}
	}
	if !strings.Contains(c.read("metrics"), "# TYPE llama9_") {
		s.Error("metrics shows nothing of llama9")
	}
	c.read("ctl")
	if err := c.tryWrite("ctl", "no such command\n"); err == nil || !strings.Contains(err.Error(), "no") {
		s.Errorf("the root's ctl takes anything: %v", err)
	}
}

// testNew: opening new costs nothing, a read or a write makes a session.
func testNew(s *suite) {
	c := s.dial(userA)
	before := c.names("infer")
	for _, mode := range []ninep.OpenMode{ninep.OREAD, ninep.OWRITE, ninep.ORDWR, ninep.OWRITE | ninep.OTRUNC} {
		f := c.open("infer/new", mode)
		if mode.Writable() {
			f.WriteAt(s.ctx, nil, 0)
		}
		f.Close(s.ctx)
	}
	s.same("infer", strings.Join(c.names("infer"), " "), strings.Join(before, " "))

	f := c.open("infer/new", ninep.ORDWR)
	if _, err := f.WriteAt(s.ctx, []byte(s.Prompt+"\n"), 0); err != nil {
		s.Fatal(err)
	}
	p := make([]byte, 64)
	off := int64(len(s.Prompt) + 1)
	n, err := f.ReadAt(s.ctx, p, off)
	if err != nil || n < 2 || p[n-1] != '\n' {
		s.Fatalf("new gives %q, %v", p[:n], err)
	}
	if m, _ := f.ReadAt(s.ctx, p[n:], off+int64(n)); m != 0 {
		s.Fatal("more behind the number")
	}
	ss := &session{c, "infer/" + string(p[:n-1])}
	s.Cleanup(ss.close)
	ss.put("ctl", "cancel")
	ss.has("turn", "1")
	s.same("prompt", ss.get("prompt"), s.Prompt)
	f.Close(s.ctx)
	ss.has("turn", "1")
}

// testLast: infer/last is the newest session of the attach, else of the user.
func testLast(s *suite) {
	a, b := s.dial(userA), s.dial(userB)
	if _, err := b.Stat(s.ctx, "infer/last"); !errors.Is(err, ninep.ErrNotExist) {
		s.Fatalf("last of a user without sessions: %v", err)
	}
	leads := func(c *client, ss *session) {
		s.Helper()
		x, err := c.Stat(s.ctx, "infer/last/ctl")
		y, err2 := c.Stat(s.ctx, ss.dir+"/ctl")
		if err != nil || err2 != nil || x.Qid != y.Qid {
			s.Fatalf("last has the ctl %v (%v), want that of %s, %v (%v)", x.Qid, err, ss.dir, y.Qid, err2)
		}
	}
	one := a.session()
	leads(a, one)
	other := s.dial(userA)
	leads(other, one)
	two := other.session()
	leads(other, two)
	leads(a, one)
	leads(s.dial(userA), two)
	if err := a.Remove(s.ctx, "infer/last"); err != nil {
		s.Fatal(err)
	}
	leads(a, one)
	one.put("ctl", "close")
	leads(a, two)
}

// testRemove is rm -r of a session.
func testRemove(s *suite) {
	c := s.dial(userA)
	ss := c.session(endless)
	ss.put("prompt", s.Prompt)
	out := ss.begun()
	for _, name := range c.names(ss.dir) {
		if err := c.Remove(s.ctx, ss.dir+"/"+name); err != nil {
			s.Fatalf("rm %s: %v", name, err)
		}
	}
	s.same("files", strings.Join(c.names(ss.dir), " "), strings.Join(sessionFiles, " "))
	if err := c.Remove(s.ctx, ss.dir); err != nil {
		s.Fatal(err)
	}
	if _, err := c.rest(out); err == nil {
		s.Fatal("out of a removed session ends well")
	}
	if _, err := c.Stat(s.ctx, ss.dir); !errors.Is(err, ninep.ErrNotExist) {
		s.Fatalf("after rm -r: %v", err)
	}
	again := c.session()
	if again.dir == ss.dir {
		s.Fatal("the number came again")
	}
}

// testNoLeaks is find, and cat of every file but event and new.
func testNoLeaks(s *suite) {
	c := s.dial(userA)
	ss := c.session("n_predict 8")
	ss.ask(s.Prompt)
	before := strings.Join(c.names("infer"), " ")
	for _, dir := range []string{"", "infer/last", ss.dir} {
		l, err := c.ReadDir(s.ctx, dir)
		if err != nil {
			s.Fatal(err)
		}
		for _, st := range l {
			path := strings.TrimPrefix(dir+"/"+st.Name, "/")
			switch {
			case st.Mode&ninep.DMDIR != 0:
				c.names(path)
			case st.Name == "event":
				c.open(path, ninep.OREAD).Close(s.ctx)
			default:
				c.read(path)
			}
		}
	}
	c.open("infer/new", ninep.OREAD).Close(s.ctx)
	s.same("infer", strings.Join(c.names("infer"), " "), before)
	ss.has("turn", "1")
}

// testTexts: system, grammar, schema.
func testTexts(s *suite) {
	ss := s.dial(userA).session()
	for name, texts := range map[string][2]string{
		"system": {"Be brief.\n", "Be kind.\n"}, "grammar": {"root ::= \"a\"\n", "b ::= \"b\"\n"}, "schema": {"{\n", "}\n"},
	} {
		ss.put(name, texts[0])
		s.same(name, ss.get(name), texts[0])
		f := ss.file(name, ninep.OWRITE)
		f.WriteAt(s.ctx, []byte(texts[1]), 0)
		s.same(name+" before the clunk", ss.get(name), texts[0])
		f.Close(s.ctx)
		s.same(name+" appended to", ss.get(name), texts[0]+texts[1])
		f = ss.file(name, ninep.ORDWR|ninep.OTRUNC)
		f.WriteAt(s.ctx, []byte(texts[1]), 0)
		p := make([]byte, 64)
		n, err := f.ReadAt(s.ctx, p, 0)
		if err != nil || string(p[:n]) != texts[1] {
			s.Fatalf("%s, read where it was written: %q, %v", name, p[:n], err)
		}
		f.Close(s.ctx)
		if err := ss.Wstat(s.ctx, ss.dir+"/"+name, ninep.StatChange{Length: new(uint64)}); err != nil {
			s.Fatal(err)
		}
		s.same(name+" of length 0", ss.get(name), "")
	}
	for _, name := range []string{"prompt", "ctl", "token"} {
		before := ss.get(name)
		if err := ss.Wstat(s.ctx, ss.dir+"/"+name, ninep.StatChange{Length: new(uint64)}); err != nil {
			s.Fatalf("length 0 of %s: %v", name, err)
		}
		s.same(name+" of length 0", ss.get(name), before)
	}
}
