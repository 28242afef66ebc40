package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// load opens dir and gives what it has.
func load(t testing.TB, dir string, o Options) (*Log, []string) {
	t.Helper()
	l, recs, err := tryLoad(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, recs
}

func tryLoad(dir string, o Options) (*Log, []string, error) {
	l, err := Open(dir, o)
	if err != nil {
		return nil, nil, err
	}
	var recs []string
	err = l.Load(func(rec []byte) error {
		recs = append(recs, string(rec))
		return nil
	})
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, recs, nil
}

func add(t testing.TB, l *Log, recs ...string) {
	t.Helper()
	var b [][]byte
	for _, r := range recs {
		b = append(b, []byte(r))
	}
	if err := l.Append(b...); err != nil {
		t.Fatal(err)
	}
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %.200q, want %.200q", got, want)
	}
}

func shut(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyDir copies a journal as it is now, as if its process had been killed.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestRecordsComeBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l, recs := load(t, dir, Options{})
	same(t, recs)
	add(t, l, "one", "", "three")
	add(t, l)
	add(t, l, strings.Repeat("x", 70000))
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	shut(t, l)
	shut(t, l) // twice is no harm
	if err := l.Append([]byte("late")); err == nil {
		t.Error("a closed journal took a record")
	}
	l, recs = load(t, dir, Options{})
	same(t, recs, "one", "", "three", strings.Repeat("x", 70000))
	add(t, l, "more")
	if err := l.Load(func([]byte) error { return nil }); err == nil {
		t.Error("loaded twice")
	}
	shut(t, l)
	_, recs = load(t, dir, Options{})
	same(t, recs[4:], "more")
}

func TestAppendWantsLoad(t *testing.T) {
	l, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for what, err := range map[string]error{"append": l.Append([]byte("x")), "sync": l.Sync(), "compact": l.Compact(func() error { return nil })} {
		if err == nil {
			t.Errorf("%s before load", what)
		}
	}
}

// A torn end, cut at every byte of the last write, loses that write only, is
// told of, and can be written on.
func TestTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	l, _ := load(t, dir, Options{})
	add(t, l, "first", "second")
	whole := l.Size()
	add(t, l, "the last write", "has two records")
	end := l.Size()
	shut(t, l)
	for size := whole; size < end; size++ {
		d := copyDir(t, dir)
		if err := os.Truncate(segmentFile(d, 1), size); err != nil {
			t.Fatal(err)
		}
		var told bytes.Buffer
		l, recs := load(t, d, Options{Log: slog.New(slog.NewTextHandler(&told, nil))})
		same(t, recs, "first", "second")
		if want := fmt.Sprintf("offset=%d bytes=%d", whole, size-whole); size > whole && !strings.Contains(told.String(), want) {
			t.Fatalf("at %d told %q, not %s", size, &told, want)
		} else if size == whole && told.Len() > 0 {
			t.Fatalf("told %s of nothing", &told)
		}
		add(t, l, "on")
		shut(t, l)
		l, recs = load(t, d, Options{})
		same(t, recs, "first", "second", "on")
		shut(t, l)
	}
}

// A byte that is wrong in the last write is a torn end, too: a loss of power
// does not write in order. Anywhere before, it is an error that names the file
// and the offset, and nothing is changed.
func TestWrongByte(t *testing.T) {
	dir := t.TempDir()
	l, _ := load(t, dir, Options{})
	starts := []int64{l.Size()}
	for _, r := range []string{"first", "second", "third"} {
		add(t, l, r)
		starts = append(starts, l.Size())
	}
	shut(t, l)
	good, err := os.ReadFile(segmentFile(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		d := t.TempDir()
		bad := slices.Clone(good)
		bad[i] ^= 0x55
		if err := os.WriteFile(segmentFile(d, 1), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		l, recs, err := tryLoad(d, Options{})
		switch at := int64(i); {
		case at >= starts[2]:
			if err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
			same(t, recs, "first", "second")
			shut(t, l)
			continue
		case at >= 12 && at < 16: // not used
			if err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
			shut(t, l)
			continue
		case at < starts[0]:
			at = 0
			fallthrough
		default:
			if at >= starts[1] {
				at = starts[1]
			} else if at >= starts[0] {
				at = starts[0]
			}
			want := fmt.Sprintf("%s: offset %d: ", segmentFile(d, 1), at)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Fatalf("byte %d: got %v, want %s", i, err, want)
			}
		}
		if now, _ := os.ReadFile(segmentFile(d, 1)); !bytes.Equal(now, bad) {
			t.Fatalf("byte %d: the file was changed", i)
		}
	}
}

// What the reader of records refuses is an error with the place.
func TestEachRefuses(t *testing.T) {
	dir := t.TempDir()
	l, _ := load(t, dir, Options{})
	add(t, l, "good")
	at := l.Size()
	add(t, l, "bad")
	shut(t, l)
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wrong := errors.New("it is wrong")
	err = l.Load(func(rec []byte) error {
		if string(rec) == "bad" {
			return wrong
		}
		return nil
	})
	if !errors.Is(err, wrong) || !strings.Contains(err.Error(), fmt.Sprintf("%s: offset %d: ", segmentFile(dir, 1), at)) {
		t.Fatalf("got %v", err)
	}
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	o := Options{Segment: 200}
	l, _ := load(t, dir, o)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint("record ", i))
		add(t, l, want[i])
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	size := l.Size()
	shut(t, l)
	list, err := segments(dir)
	if err != nil || len(list) < 10 {
		t.Fatalf("segments %v, %v", list, err)
	}
	l, recs := load(t, dir, o)
	same(t, recs, want...)
	if l.Size() != size {
		t.Errorf("size %d, was %d", l.Size(), size)
	}
	shut(t, l)
	for _, seq := range []uint64{1, 5} {
		d := copyDir(t, dir)
		os.Remove(segmentFile(d, seq))
		if _, _, err := tryLoad(d, o); err == nil || !strings.Contains(err.Error(), segmentFile(d, seq)+": missing") {
			t.Errorf("without segment %d: %v", seq, err)
		}
	}
	// A segment before the last is whole, or wrong.
	d := copyDir(t, dir)
	for size := int64(199); size >= 0; size-- {
		os.Truncate(segmentFile(d, 5), size)
		if _, _, err := tryLoad(d, o); err == nil || !strings.Contains(err.Error(), segmentFile(d, 5)+": offset ") {
			t.Errorf("a segment cut at %d: %v", size, err)
		}
	}
	// But a loss of power may tear it as long as the next has no seal.
	d = copyDir(t, dir)
	for _, seq := range list[:len(list)-1] {
		if size, ok := sealOf(segmentFile(d, seq+1)); !ok || size < o.Segment {
			t.Errorf("segment %d: seal %d, %v", seq+1, size, ok)
		}
	}
	os.Truncate(segmentFile(d, 5), 199)
	h := newHeader(6, 1)
	os.WriteFile(segmentFile(d, 6), frameOf(&h, h.bytes(), "lost"), 0o600)
	for _, seq := range list[6:] {
		os.Remove(segmentFile(d, seq))
	}
	l, recs = load(t, d, o)
	n := len(recs)
	same(t, recs, want[:n]...)
	if len(recs) < 10 {
		t.Errorf("%d records are left", len(recs))
	}
	add(t, l, "on")
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	add(t, l, "and on")
	shut(t, l)
	l, recs = load(t, d, o)
	same(t, recs[n:], "on", "and on")
	shut(t, l)
	d = copyDir(t, dir)
	os.Rename(segmentFile(d, 5), segmentFile(d, 6))
	if _, _, err := tryLoad(d, o); err == nil {
		t.Error("a segment in another's place was taken")
	}
	// One that was being made has no header, or one of zeros.
	for _, b := range [][]byte{nil, []byte(magic), make([]byte, 4096)} {
		d := copyDir(t, dir)
		os.WriteFile(segmentFile(d, list[len(list)-1]+1), b, 0o600)
		l, recs := load(t, d, o)
		same(t, recs, want...)
		for range 20 {
			add(t, l, "on and on")
		}
		shut(t, l)
		l, recs = load(t, d, o)
		same(t, recs[:100], want...)
		if len(recs) != 120 {
			t.Errorf("%d records, want 120", len(recs))
		}
		shut(t, l)
	}
	d = copyDir(t, dir)
	os.WriteFile(segmentFile(d, list[len(list)-1]+1), []byte(strings.Repeat("not a header at all", 10)), 0o600)
	if _, _, err := tryLoad(d, o); !errors.Is(err, errHeader) {
		t.Errorf("a foreign file: %v", err)
	}
}

// A compaction keeps what was written anew and what others appended meanwhile,
// and until it is done the old is there too: killed at any moment, a reader
// that lets the last word of a key stand sees no difference.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	o := Options{Segment: 300, Slack: 1000}
	l, _ := load(t, dir, o)
	for i := range 60 {
		add(t, l, fmt.Sprintf("k%d=%d", i%3, i))
	}
	for i := 0; !l.Due(); i++ {
		add(t, l, fmt.Sprintf("k0=%d", 100+i))
	}
	add(t, l, "k0=last")
	want := map[string]string{"k0": "last", "k1": "58", "k2": "59"}
	check := func(dir string) {
		t.Helper()
		l, recs := load(t, dir, o)
		got := make(map[string]string)
		for _, r := range recs {
			k, v, _ := strings.Cut(r, "=")
			got[k] = v
		}
		for k, v := range want {
			if got[k] != v {
				t.Fatalf("%s is %q, want %q", k, got[k], v)
			}
		}
		shut(t, l)
	}
	check(copyDir(t, dir))
	err := l.Compact(func() error {
		for _, k := range []string{"k0", "k1", "k2"} {
			add(t, l, k+"="+want[k])
			check(copyDir(t, dir))
		}
		want["k3"] = "new"
		add(t, l, "k3=new")
		check(copyDir(t, dir))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.Due() || l.Size() > 400 {
		t.Errorf("size %d after the compaction, due %v", l.Size(), l.Due())
	}
	add(t, l, "k4=after")
	want["k4"] = "after"
	check(copyDir(t, dir))

	// Killed while the old segments are removed.
	d := copyDir(t, dir)
	os.WriteFile(segmentFile(d, 1), []byte("old"), 0o600)
	check(d)
	if list, _ := segments(d); list[0] == 1 {
		t.Error("an old segment is still there")
	}

	// One that fails changes nothing, and is not tried again at once.
	for i := 0; !l.Due(); i++ {
		add(t, l, fmt.Sprintf("k5=%d", i))
		want["k5"] = fmt.Sprint(i)
	}
	failed := errors.New("failed")
	if err := l.Compact(func() error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
	if l.Due() {
		t.Error("due at once after a failure")
	}
	check(copyDir(t, dir))
}

// Appends, syncs and compactions at once.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	l, _ := load(t, dir, Options{Segment: 2000, Slack: 1})
	var all sync.WaitGroup
	var mu sync.Mutex
	last := make(map[int]int)
	write := func(w, i int) error {
		mu.Lock()
		defer mu.Unlock()
		last[w] = i
		return l.Append(fmt.Appendf(nil, "%d %d", w, i))
	}
	for w := range 4 {
		all.Go(func() {
			for i := range 300 {
				if err := write(w, i); err != nil {
					t.Error(err)
				}
				if i%50 == 0 {
					if err := l.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			err := l.Compact(func() error {
				mu.Lock()
				defer mu.Unlock()
				for w, i := range last {
					if err := l.Append(fmt.Appendf(nil, "%d %d", w, i)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	shut(t, l)
	_, recs := load(t, dir, Options{})
	got := make(map[int]int)
	for _, r := range recs {
		var w, i int
		fmt.Sscan(r, &w, &i)
		got[w] = i
	}
	for w := range 4 {
		if got[w] != 299 {
			t.Errorf("of %d the last is %d", w, got[w])
		}
	}
}

// A write that fails half way leaves nothing behind.
func TestFailedWrite(t *testing.T) {
	if dir := os.Getenv("JOURNAL_FULL"); dir != "" {
		fullDisk(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFailedWrite$")
	cmd.Env = append(os.Environ(), "JOURNAL_FULL="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, recs := load(t, dir, Options{})
	same(t, recs, "before", "after")
}

// A second process is refused, and told who has it.
func TestLocked(t *testing.T) {
	if dir := os.Getenv("JOURNAL_DIR"); dir != "" {
		if _, err := Open(dir, Options{}); err != nil {
			fmt.Println(err)
		}
		return
	}
	dir := t.TempDir()
	l, _ := load(t, dir, Options{})
	second := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLocked$")
		cmd.Env = append(os.Environ(), "JOURNAL_DIR="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out, want := second(), fmt.Sprintf("%s: in use by another process, %d\n", dir, os.Getpid()); !strings.Contains(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("opened twice in one process")
	}
	shut(t, l)
	if out := second(); strings.Contains(out, "in use") {
		t.Errorf("after the end: %s", out)
	}
}

// frameOf appends a frame to a segment.
func frameOf(h *header, segment []byte, recs ...string) []byte {
	var l [][]byte
	for _, r := range recs {
		l = append(l, []byte(r))
	}
	b := appendGroup(make([]byte, frameSize), l)
	h.seal(b, int64(len(segment)), groupFrame)
	return append(segment, b...)
}

// FuzzLoad: no bytes of a segment make more than an error, and what was loaded
// once is loaded again, with what was appended.
func FuzzLoad(f *testing.F) {
	h := newHeader(1, 1)
	b := frameOf(&h, h.bytes(), "one", "two")
	b = frameOf(&h, b, "three")
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(b[:headerSize])
	f.Add(append(b[:len(b):len(b)], b[headerSize:]...))
	f.Add([]byte{})
	root := f.TempDir()
	if d, err := os.MkdirTemp("/dev/shm", "journal"); err == nil { // where a sync is nothing
		f.Cleanup(func() { os.RemoveAll(d) })
		root = d
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.WriteFile(segmentFile(dir, 1), data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, recs, err := tryLoad(dir, Options{})
		if err != nil {
			if !strings.Contains(err.Error(), segmentFile(dir, 1)) {
				t.Fatalf("an error that names no file: %v", err)
			}
			return
		}
		add(t, l, "and on")
		shut(t, l)
		l, again := load(t, dir, Options{})
		same(t, again, append(recs, "and on")...)
		shut(t, l)
	})
}

func BenchmarkAppend(b *testing.B) {
	l, _ := load(b, b.TempDir(), Options{})
	rec := bytes.Repeat([]byte("x"), 100)
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(rec); err != nil {
			b.Fatal(err)
		}
	}
}

var _ io.Closer = (*Log)(nil)
