//go:build linux && amd64 && !race

package kernel

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// first is the first transcript of the tree.
func (c *client) first(t *testing.T) {
	if c.loose() { // a mount that has looked at last once keeps what it was
		c.sh.must(t, "umount "+c.dir())
		c.sh.mount(t, c.server, c.mount)
	}
	c.prints(t, `echo why is the sky blue > $M/infer/new; cat $M/infer/last/out`, sentence)
}

// second is the second one.
func (c *client) second(t *testing.T) {
	const transcript = `id=$(cat $M/infer/new); echo temperature 0 > $M/infer/$id/ctl; echo hello > $M/infer/$id/prompt; cat $M/infer/$id/out`
	if c.loose() {
		c.prints(t, transcript, sentence)
		return
	}
	c.prints(t, transcript+`
echo; grep '^temperature ' $M/infer/$id/ctl; cat $M/infer/$id/prompt`, sentence+"\ntemperature 0\nhello")
}

// list is what walks the tree.
func (c *client) list(t *testing.T) {
	id := strings.TrimSpace(c.must(t, "cat $M/infer/new"))
	out := c.must(t, "ls -lR $M")
	for _, want := range []string{" ctl\n", " model\n", " metrics\n", " infer\n", "/infer/" + id + ":\n", " prompt\n", " token\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("ls -lR: no %q in\n%s", want, out)
		}
	}
	if arrow := " last -> " + id + "\n"; c.dotl != strings.Contains(out, arrow) {
		t.Errorf("ls -lR: %q in a mount with links %v:\n%s", arrow, c.dotl, out)
	}
	if strings.Contains(out, "?") {
		t.Errorf("ls -lR: something is unknown:\n%s", out)
	}
	found := strings.Fields(c.must(t, "cd $M; find . -path ./infer/last -prune -o -print"))
	entries := func(dir string) (all []string) {
		list, err := c.fs.ReadDir(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range list {
			all = append(all, st.Name)
		}
		return all
	}
	want := map[string]bool{".": true}
	for _, name := range entries("") {
		want["./"+name] = true
	}
	for _, name := range entries("infer") {
		if name != "last" {
			want["./infer/"+name] = true
		}
	}
	for _, name := range slices.Collect(maps.Keys(want)) {
		if n, ok := strings.CutPrefix(name, "./infer/"); ok && n != "new" {
			for _, file := range entries("infer/" + n) { // a session
				want[name+"/"+file] = true
			}
		}
	}
	for _, name := range found {
		if !want[name] {
			t.Errorf("find: %s is not in the tree", name)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("find: did not see %v", want)
	}
	c.prints(t, "find $M/infer/"+id+" -name out -type f", c.dir()+"/infer/"+id+"/out\n")
	for _, f := range [][2]string{
		{"", "directory 2"}, {"/infer", "directory 2"}, {"/ctl", "regular empty file 0"}, {"/infer/new", "regular empty file 0"},
		{"/infer/" + id + "/out", "regular empty file 0"},
	} {
		out := c.must(t, fmt.Sprintf("stat -c '%%F %%s' $M%s", f[0]))
		kind, _, _ := strings.Cut(f[1], " ")
		if !strings.HasPrefix(out, kind) {
			t.Errorf("stat %s: %s, want %s", f[0], out, kind)
		}
	}
	c.must(t, "test $(stat -c %i $M/ctl) = $(stat -c %i $M/ctl) && test $(stat -c %i $M/ctl) != $(stat -c %i $M/status)")
	if got := c.must(t, "grep -r --exclude=event --exclude=new sentence $M"); !strings.Contains(got, c.dir()+"/model:name=sentence ") {
		t.Errorf("grep -r: %s", got)
	}
	if got := c.must(t, "df $M"); !strings.Contains(got, c.dir()) {
		t.Errorf("df: %s", got)
	}
	if c.dotl {
		c.prints(t, "readlink $M/infer/last", id+"\n")
	}
	c.fails(t, "cat $M/nothing", "No such file or directory")
	c.fails(t, "cat $M/infer", "Is a directory")
	c.fails(t, "ls $M/infer/1", "No such file or directory")
}

// reads is what reads files that are whole.
func (c *client) reads(t *testing.T) {
	id := strings.TrimSpace(c.must(t, "id=$(new); echo hi > $M/infer/$id/prompt; cat $M/infer/$id/out >/dev/null; echo $id"))
	c.prints(t, "cat $M/infer/"+id+"/out", sentence)
	c.prints(t, "busybox cat $M/infer/"+id+"/out", sentence)
	c.prints(t, "dd bs=1 status=none if=$M/infer/"+id+"/out", sentence)
	c.prints(t, "dd bs=7 skip=2 status=none if=$M/infer/"+id+"/out", sentence[14:])
	c.prints(t, "head -c 10 $M/infer/"+id+"/out", sentence[:10])
	c.prints(t, "tail -c 3 $M/infer/"+id+"/out", sentence[len(sentence)-3:])
	c.prints(t, "cp $M/infer/"+id+"/out x; cat x", sentence)
	c.prints(t, "cat $M/infer/"+id+"/status", c.read(t, "infer/"+id+"/status"))
	c.prints(t, "cat $M/infer/"+id+"/chat", c.read(t, "infer/"+id+"/chat"))
	c.prints(t, "cat $M/infer/"+id+"/token", c.read(t, "infer/"+id+"/token"))
	c.prints(t, "dd bs=1 status=none if=$M/infer/"+id+"/ctl", c.read(t, "infer/"+id+"/ctl"))
	if got := c.must(t, "cat $M/model $M/status $M/metrics"); !strings.HasPrefix(got, "name=sentence ") || !strings.Contains(got, "# HELP") {
		t.Errorf("model, status and metrics: %s", got)
	}
}

// writes is what changes files.
func (c *client) writes(t *testing.T) {
	id := strings.TrimSpace(c.must(t, "new"))
	c.must(t, `S=$M/infer/`+id+`
echo temperature 0.5 > $S/ctl
echo top_k 7 >> $S/ctl
printf 'seed 5\nn_predict 3\n' > $S/ctl
printf 'You are ' > $S/system
echo terse. >> $S/system`)
	ctl := c.read(t, "infer/"+id+"/ctl")
	for _, line := range []string{"temperature 0.5\n", "top_k 7\n", "seed 5\n", "n_predict 3\n"} {
		if !strings.Contains(ctl, line) {
			t.Errorf("no %q in ctl:\n%s", line, ctl)
		}
	}
	if got := c.read(t, "infer/"+id+"/system"); strings.TrimSpace(got) != "You are terse." {
		t.Errorf("system: %q", got)
	}
	c.must(t, "echo Be kind. > $M/infer/"+id+"/system")
	if got := c.read(t, "infer/"+id+"/system"); strings.TrimSpace(got) != "Be kind." {
		t.Errorf("system, replaced: %q", got)
	}
	word := "Invalid argument"
	if !c.dotl || c.atLeast(6, 8) { // it makes EIO of every failure of a write
		word = "write error"
	}
	c.fails(t, "echo temperature hot > $M/infer/"+id+"/ctl", word)
	if got := c.attr(t, id, "error"); !strings.Contains(got, "hot") {
		t.Errorf("error=%q after a bad value", got)
	}
	c.must(t, "a=$(new); cat $M/infer/"+id+"/ctl > $M/infer/$a/ctl; grep -q '^top_k 7$' $M/infer/$a/ctl")
	c.must(t, "touch $M/infer/"+id+"/ctl")
	c.fails(t, "echo x > $M/infer/"+id+"/nothing", "denied")
	c.fails(t, "mkdir $M/infer/d", "denied")
	c.fails(t, "echo x > $M/model", "denied")
}

// descriptor makes a turn on one descriptor of new, and one of prompt.
func (c *client) descriptor(t *testing.T) {
	got := c.must(t, `
exec 3<>$M/infer/new; echo hello >&3; id=$(cat <&3); exec 3>&-
test -d $M/infer/$id || exit 1
cat $M/infer/$id/out; cat $M/infer/$id/prompt
exec 3<>$M/infer/$id/prompt; echo again >&3; cat <&3; exec 3>&-
cat $M/infer/$id/out`)
	if want := sentence + "hello" + "again" + sentence; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// longPrompt is more than a message, and more than a page cache likes.
func (c *client) longPrompt(t *testing.T) {
	got := strings.Fields(c.must(t, `
id=$(new); head -c 102400 /dev/zero | tr '\0' x > $M/infer/$id/prompt
cat $M/infer/$id/out >out; echo $id; wc -c <$M/infer/$id/prompt; tr -d x <$M/infer/$id/prompt | wc -c`))
	if len(got) != 3 || got[1] != "102400" || got[2] != "0" {
		t.Fatal(got)
	}
	if n := c.attr(t, got[0], "prompt_tokens"); n != "102401" { // and <s>
		t.Errorf("prompt_tokens=%s", n)
	}
	c.prints(t, "cat out", sentence)
}

// remove removes all sessions, each as a directory.
func (c *client) remove(t *testing.T) {
	c.must(t, `rm -r $M/infer/[0-9]*; test -z "$(ls $M/infer | grep -v '^new$')"`)
	if got := c.must(t, "ls $M/infer"); got != "new\n" {
		t.Errorf("after rm -r: %s", got)
	}
}
