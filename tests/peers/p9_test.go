package peers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"testing"

	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"
)

// p9Client is hugelgupf/p9's, the one of 9P2000.L. It cannot cancel a call. It
// has no Tlock that names a file: its Tlock is always of fid 0.
type p9Client struct{ root p9.File }

func newP9(t testing.TB, conn net.Conn) client {
	c, err := p9.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Attach("")
	if err != nil {
		t.Fatal(err)
	}
	return p9Client{root}
}

// walk goes to a file. Half a walk is a success to this client.
func (c p9Client) walk(name string) (p9.File, error) {
	var names []string
	if name != "" {
		names = strings.Split(name, "/")
	}
	qids, f, err := c.root.Walk(names)
	if err != nil {
		return nil, err
	}
	if len(qids) < len(names) {
		return nil, linux.ENOENT
	}
	return f, nil
}

func (c p9Client) open(name string, flags p9.OpenFlags) (p9.File, error) {
	f, err := c.walk(name)
	if err != nil {
		return nil, err
	}
	if _, _, err := f.Open(flags); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (c p9Client) read(name string) (string, error) {
	f, err := c.open(name, p9.ReadOnly)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readP9(f)
}

func readP9(f p9.File) (string, error) {
	var all []byte
	buf := make([]byte, 8192)
	for {
		n, err := f.ReadAt(buf, int64(len(all)))
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
	}
}

func (c p9Client) write(name, data string) error {
	f, err := c.open(name, p9.WriteOnly)
	if err != nil {
		return err
	}
	err = f.SetAttr(p9.SetAttrMask{Size: true, MTime: true, CTime: true}, p9.SetAttr{})
	if err == nil {
		_, err = f.WriteAt([]byte(data), 0)
	}
	return errors.Join(err, f.Close())
}

func (c p9Client) create(name, data string) error {
	d, err := c.walk(path.Dir(name))
	if err != nil {
		return err
	}
	f, _, _, err := d.Create(path.Base(name), p9.WriteOnly, 0666, p9.NoUID, p9.NoGID)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	_, err = f.WriteAt([]byte(data), 0)
	return errors.Join(err, f.Close())
}

func (c p9Client) list(name string) (names []string, err error) {
	f, err := c.open(name, p9.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for offset := uint64(0); ; {
		list, err := f.Readdir(offset, 4096)
		if err != nil || len(list) == 0 {
			return names, err
		}
		for _, d := range list {
			if offset = d.Offset; d.Name != "." && d.Name != ".." {
				names = append(names, d.Name)
			}
		}
	}
}

func (c p9Client) length(name string) (uint64, error) {
	a, err := c.attr(name)
	return a.Size, err
}

func (c p9Client) attr(name string) (p9.Attr, error) {
	f, err := c.walk(name)
	if err != nil {
		return p9.Attr{}, err
	}
	defer f.Close()
	_, _, a, err := f.GetAttr(p9.AttrMaskAll)
	return a, err
}

func (c p9Client) truncate(name string) error {
	f, err := c.walk(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.SetAttr(p9.SetAttrMask{Size: true}, p9.SetAttr{})
}

func (c p9Client) remove(name string) error {
	d, err := c.walk(strings.TrimPrefix(path.Dir(name), "."))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.UnlinkAt(path.Base(name), 0)
}

// What hugelgupf/p9 decodes of our answers is what the tree has, and what it
// encodes is understood: the codecs agree on each message that it sends.
func TestP9Messages(t *testing.T) {
	p := ourServer(t)
	c := newP9(t, p.dial(t)).(p9Client)
	a, err := c.attr("hello")
	if err != nil || a.Mode != p9.ModeRegular|0666 || a.Size != uint64(len(helloText)) || a.NLink != 1 || a.BlockSize != 4096 || a.Blocks != 1 {
		t.Errorf("hello: %v, %v", a, err)
	}
	if a, err = c.attr("dir"); err != nil || a.Mode != p9.ModeDirectory|0777 {
		t.Errorf("dir: %v, %v", a, err)
	}
	if s, err := c.root.StatFS(); err != nil || s.NameLength != 255 || s.BlockSize != 4096 || s.Type != 0x1021997 {
		t.Errorf("statfs: %v, %v", s, err)
	}
	f, err := c.open("hello", p9.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.FSync(); err != nil {
		t.Errorf("fsync: %v", err)
	}
	for what, err := range map[string]error{
		"EPERM rename":   f.Rename(c.root, "x"),
		"EPERM renameat": c.root.RenameAt("hello", c.root, "x"),
		"EPERM link":     c.root.Link(f, "x"),
		"EPERM symlink":  second(c.root.Symlink("hello", "x", 0, 0)),
		"EPERM mknod":    second(c.root.Mknod("x", p9.ModeNamedPipe|0666, 1, 2, 0, 0)),
		"EPERM chown":    f.SetAttr(p9.SetAttrMask{UID: true}, p9.SetAttr{UID: 77}),
		"EINVAL link":    second(f.Readlink()),
		"EEXIST mkdir":   second(c.root.Mkdir("dir", 0777, 0, 0)),
		"EBADF open":     third(f.Open(p9.ReadOnly)),
		"EISDIR unlink":  c.root.UnlinkAt("dir", 0),
		"ENOTDIR rmdir":  c.root.UnlinkAt("hello", 0x200),
		"ENOENT unlink":  c.root.UnlinkAt("nothing", 0),
	} {
		want := map[string]linux.Errno{"EPERM": linux.EPERM, "EINVAL": linux.EINVAL, "EEXIST": linux.EEXIST, "EBADF": linux.EBADF,
			"EISDIR": linux.EISDIR, "ENOTDIR": linux.ENOTDIR, "ENOENT": linux.ENOENT}[strings.Fields(what)[0]]
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if qid, err := c.root.Mkdir("sub", 0755, 0, 0); err != nil || qid.Type != p9.TypeDir {
		t.Errorf("mkdir: %v, %v", qid, err)
	}
	d, err := c.open("dir", p9.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if list, err := d.Readdir(1<<20, 4096); !errors.Is(err, linux.EINVAL) {
		t.Errorf("readdir at a wrong offset: %v, %v", list, err)
	}
	if list, err := d.Readdir(0, 100); err != nil || len(list) != 2 || list[0].Name != "." || list[1].Name != ".." || list[1].Offset != 2 {
		t.Errorf("readdir: %v, %v", list, err)
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// A turn by 9P2000.L: new read and written through one descriptor, the answer
// by its number and through the link last.
func TestTurnByP9(t *testing.T) {
	c := newP9(t, serveLlama(t)(t)).(p9Client)
	f, err := c.open("infer/new", p9.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("why is the sky blue\n"), 0); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := f.ReadAt(buf, 20) // a kernel goes on where its write ended
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(string(buf[:n]))
	const want = "you said why is the sky blue"
	for _, name := range []string{id, "last"} {
		if got, err := c.read("infer/" + name + "/out"); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	link, err := c.walk("infer/last")
	if err != nil {
		t.Fatal(err)
	}
	if qid, _, a, err := link.GetAttr(p9.AttrMaskAll); err != nil || qid.Type != p9.TypeSymlink || !a.Mode.IsSymlink() {
		t.Errorf("last is %v %v, %v", qid, a.Mode, err)
	}
	if target, err := link.Readlink(); err != nil || target != id {
		t.Errorf("last leads to %q, %v", target, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	// rm -r: the files first, which are still there then, and the directory.
	d, err := c.walk("infer/" + id)
	if err != nil {
		t.Fatal(err)
	}
	names, err := c.list("infer/" + id)
	if err != nil || len(names) < 10 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		if err := d.UnlinkAt(name, 0); err != nil {
			t.Errorf("rm %s: %v", name, err)
		}
	}
	file, err := c.walk("infer/" + id + "/out")
	if err != nil {
		t.Fatal(err)
	}
	infer, err := c.walk("infer")
	if err != nil {
		t.Fatal(err)
	}
	if err := infer.UnlinkAt(id, 0x200); err != nil {
		t.Errorf("rmdir: %v", err)
	}
	if _, _, _, err := file.GetAttr(p9.AttrMaskAll); !errors.Is(err, linux.ENOENT) {
		t.Errorf("a file of a removed session: %v", err)
	}
	if _, err := c.read("infer/last/out"); !errors.Is(err, linux.ENOENT) {
		t.Errorf("last, removed: %v", err)
	}
}

// Large writes and reads by it are whole, whatever the pieces.
func TestP9Large(t *testing.T) {
	p := ourServer(t)
	for _, msize := range []uint32{8192, 1 << 20} {
		cl, err := p9.NewClient(p.dial(t), p9.WithMessageSize(msize))
		if err != nil {
			t.Fatal(err)
		}
		root, err := cl.Attach("")
		if err != nil {
			t.Fatal(err)
		}
		c := p9Client{root}
		data := bytes.Repeat([]byte(fmt.Sprint("of ", msize, " ")), 300000)
		if err := c.write("empty", string(data)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.read("empty"); err != nil || got != string(data) {
			t.Errorf("msize %d: %d bytes of %d, %v", msize, len(got), len(data), err)
		}
	}
}
