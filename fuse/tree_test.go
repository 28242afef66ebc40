//go:build linux

package fuse

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"llama9/node/fake"
)

// sky is an engine that answers every prompt in the same words.
func sky() *fake.Engine { return &fake.Engine{Next: fake.Say("?", answer)} }

const answer = "because of the air"

// turn makes a session whose turn has ended, and gives its number.
func turn(w *world) string {
	return strings.TrimSpace(w.sh(`
		id=$(cat $n/infer/new)
		printf 'temperature 0\nn_predict 4\n' > $n/infer/$id/ctl
		echo hello? > $n/infer/$id/prompt
		cat $n/infer/$id/out >&2
		echo $id`))
}

func TestList(t *testing.T) {
	w := mountNode(t, sky())
	id := turn(w)
	list := w.sh("ls -lR $n")
	for _, want := range []string{"ctl", "model", "status", "event", "metrics", "infer", "new", "last", id, "prompt", "system", "chat", "grammar", "schema", "out", "token"} {
		if !strings.Contains(list, " "+want+"\n") {
			t.Errorf("ls -lR lacks %s:\n%s", want, list)
		}
	}
	found := w.sh("find $n | wc -l")
	if n, _ := strconv.Atoi(strings.TrimSpace(found)); n != 1+5+1+1+2*11 {
		t.Errorf("find gave %s names:\n%s", found, w.sh("find $n"))
	}
	same(t, "find -type", w.sh("find $n -type d | wc -l")+w.sh("find $n -name out -size 0 | wc -l"), "4\n2\n")
	same(t, "stat of a file", w.sh(`stat -c '%F %a %s %h %U' $n/infer/`+id+`/out`), "regular empty file 600 0 1 root\n")
	same(t, "stat of a directory", w.sh(`stat -c '%F %h' $n/infer $n`), "directory 1\ndirectory 1\n")
	same(t, "inodes", w.sh(`a=$(stat -c %i $n/infer/last/out); b=$(stat -c %i $n/infer/`+id+`/out); [ $a = $b ]; [ $(stat -c %i $n/infer/last) != $(stat -c %i $n/infer/`+id+`) ]`), "")
	got := w.sh("grep -r --exclude=event --exclude=new temperature $n/infer/" + id)
	if !strings.Contains(got, "/ctl:temperature 0") {
		t.Errorf("grep -r: %q", got)
	}
	same(t, "grep of all", w.sh("grep -rl --exclude=event --exclude=new 'n_predict 4' $n | wc -l"), "2\n")
	if got := w.sh("df $n; df -a $n"); !strings.Contains(got, w.dir) {
		t.Errorf("df: %q", got)
	}
	same(t, "du", w.sh("du -s $n | cut -f1"), "0\n")
	same(t, "test", w.sh("cd $n/infer/last && [ -r out ] && [ -d ../"+id+" ] && [ ! -e nothing ] && pwd -P"), w.dir+"/infer/last\n")
	w.fails("cat $n/nothing", "No such file or directory")
	w.fails("cat $n/infer", "Is a directory")
	w.fails("cat $n/status/x", "Not a directory")
	w.fails("echo x > $n/status", "Permission denied")
	w.fails("echo nonsense 1 > $n/infer/"+id+"/ctl", "Invalid argument")
	w.fails("ln -s out $n/infer/last/x", "not permitted")
	w.fails("mkdir $n/x", "denied")
	w.fails("chmod 777 $n/status; chown 12 $n/status", "")
	w.sh("touch $n/infer/" + id + "/ctl")
}

// What must work, word for word, in a shell.
func TestTranscript(t *testing.T) {
	w := mountNode(t, sky())
	same(t, "the first prompt", w.sh(`echo why is the sky blue? > $n/infer/new; cat $n/infer/last/out`), answer)
	same(t, "a session", w.sh(`
		id=$(cat $n/infer/new); echo temperature 0 > $n/infer/$id/ctl
		echo n_predict 5 >> $n/infer/$id/ctl
		echo hello? > $n/infer/$id/prompt; cat $n/infer/$id/out > /dev/null
		grep -c -e '^temperature 0$' -e '^n_predict 5$' $n/infer/$id/ctl
		cat $n/infer/$id/status`)[:13], "2\nstate=done ")
	// The clunk comes before what is done next, though close does not wait.
	same(t, "state behind a prompt", w.sh(`
		id=$(cat $n/infer/new)
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			echo reset > $n/infer/$id/ctl
			echo hello? > $n/infer/$id/prompt
			read a b < $n/infer/$id/status
			[ $a != state=idle ] || echo $a
			cat $n/infer/$id/out > /dev/null
		done`), "")
	got := w.sh(`exec 3<>$n/infer/new; echo what is a turn? >&3; read -r id <&3; echo $id; cat $n/infer/$id/out | wc -c; cat $n/infer/$id/prompt; exec 3>&-; [ $id = $(ls -d $n/infer/$id | sed s,.*/,,) ]`)
	if f := strings.Split(got, "\n"); len(f) < 3 || f[1] == "0" {
		t.Errorf("exec 3<>: %q", got)
	}
	same(t, "append", w.sh(`
		id=$(cat $n/infer/new); cd $n/infer/$id
		printf 'one ' > system; printf 'two' >> system; cat system
		printf 'three' > system; cat system; : > system; cat system`), "one twothree")
	same(t, "100 KiB", w.sh(`
		id=$(cat $n/infer/new); cd $n/infer/$id
		printf 'n_predict 1\ntemplate none\n' > ctl
		head -c 102400 /dev/zero | tr '\0' x > prompt
		cat out > /dev/null
		cat prompt | tr -d '\n' | wc -c
		cat status | grep -o state=done`), "102400\nstate=done\n")
}

func TestReads(t *testing.T) {
	w := mountNode(t, sky())
	id := turn(w)
	all := w.sh("cat $n/infer/" + id + "/out")
	if len(all) < 4 {
		t.Fatalf("out %q", all)
	}
	out := "$n/infer/" + id + "/out"
	same(t, "dd bs=1", w.sh("dd bs=1 status=none if="+out), all)
	same(t, "head -c", w.sh("head -c 2 "+out), all[:2])
	same(t, "tail -c", w.sh("tail -c +3 "+out), all[2:])
	same(t, "dd skip", w.sh("dd bs=1 skip=1 count=2 status=none if="+out), all[1:3])
	same(t, "two readers", w.sh("exec 3<"+out+"; head -c 1 <&3; exec 4<"+out+"; cat <&4; cat <&3"), all[:1]+all+all[1:])
	same(t, "cp", w.sh("cp "+out+" /dev/stdout | cat; sort "+out+" | tr -d '\\n'"), all+strings.ReplaceAll(all, "\n", ""))
	w.closed()
	cat := w.start("exec cat $n/event")
	w.until("event is open", func() bool { return w.server.fs.files.count() == 1 })
	w.sh("echo hello? > $n/infer/new; cat $n/infer/last/out > /dev/null")
	for got := ""; !strings.Contains(got, "session"); {
		got += cat.next()
	}
}

func TestRemove(t *testing.T) {
	w := mountNode(t, sky())
	a, b := turn(w), turn(w)
	same(t, "rm of a file", w.sh("rm $n/infer/"+a+"/out; cat $n/infer/"+a+"/out | wc -c; ls $n/infer/"+a+" | wc -l"), fmt.Sprintf("%s10\n", w.sh("cat $n/infer/"+a+"/out | wc -c")))
	w.sh("rm -r $n/infer/" + b)
	w.fails("ls $n/infer/"+b, "No such file")
	same(t, "last", w.sh("ls $n/infer"), a+"\nlast\nnew\n")
	// A working directory whose session goes.
	w.fails("cd $n/infer/"+a+"; rmdir $n/infer/"+a+"; cat out", "")
	w.sh("rm -rf $n/infer/" + a + "; [ ! -e $n/infer/last ]")
}

// A working directory in last stays the session that it was.
func TestLast(t *testing.T) {
	w := mountNode(t, sky())
	a := turn(w)
	got := w.sh("cd $n/infer/last; b=$(cat $n/infer/new); echo n_predict 9 > $n/infer/$b/ctl; cat ctl ../last/ctl | grep n_predict; ls $n/infer")
	if !strings.HasPrefix(got, "n_predict 4\nn_predict 9\n"+a+"\n") {
		t.Errorf("%q", got)
	}
}

func TestManySessions(t *testing.T) {
	w := mountNode(t, sky())
	got := w.sh(`
		for i in $(seq 200); do
			id=$(cat $n/infer/new); d=$n/infer/$id
			echo n_predict 3 > $d/ctl; echo "hello $i?" > $d/prompt; cat $d/out > /dev/null
			cat $d/status
		done | grep -c state=done
		ls $n/infer | wc -l
		rm -r $n/infer/[0-9]*
		ls $n/infer`)
	same(t, "200 sessions", got, "200\n202\nnew\n")
}

func TestTwoShells(t *testing.T) {
	w := mountNode(t, sky())
	script := `for i in 1 2 3 4 5 6 7 8 9 10; do
		id=$(cat $n/infer/new); echo n_predict 4 > $n/infer/$id/ctl; echo hello? > $n/infer/$id/prompt
		cat $n/infer/$id/out; echo; rm -r $n/infer/$id; done`
	a, b := w.start(script), w.start(script)
	one, st := a.finish()
	two, st2 := b.finish()
	if st != 0 || st2 != 0 || strings.Count(one, "\n") != 10 || strings.Count(two, "\n") != 10 {
		t.Errorf("status %v and %v, %q and %q\n%s%s", st, st2, one, two, &a.stderr, &b.stderr)
	}
}
