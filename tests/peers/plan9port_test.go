package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// A p9p is plan9port's 9p, from the tree that $PLAN9 names.
type p9p struct {
	t    *testing.T
	file string
	addr string
	log  traceLog // of the server
}

// A traceLog is written by the server's connections and read by the test.
type traceLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *traceLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take gives the lines since the last take.
func (l *traceLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

// startP9p serves the tree to the real program. No package of Debian's has it,
// so that there it is left out, even where CI is true; tests/run says so.
func startP9p(t *testing.T) *p9p {
	root := os.Getenv("PLAN9")
	if root == "" {
		t.Skip("LEFT OUT, no package has plan9port: set PLAN9 to where it is built")
	}
	p := &p9p{t: t, file: filepath.Join(root, "bin", "9p")}
	if !executable(p.file) {
		t.Fatalf("%s is not there: build plan9port, or unset PLAN9", p.file)
	}
	tree, err := styxfs.New(styxfs.Config{Backend: parrot{}})
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	p.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: tree, Trace: &p.log}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := tree.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// command makes a 9p, which only a test that fails kills.
func (p *p9p) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	p.t.Cleanup(cancel)
	host, port, _ := strings.Cut(p.addr, ":")
	return exec.CommandContext(ctx, p.file, append([]string{"-a", "tcp!" + host + "!" + port}, args...)...)
}

// run runs 9p to its end and gives what it printed and complained of.
func (p *p9p) run(stdin string, args ...string) (out, complaint string) {
	p.t.Helper()
	cmd := p.command(args...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		p.t.Fatalf("9p %q: %v", args, err)
	}
	return stdout.String(), stderr.String()
}

// good runs a 9p that has nothing to complain of.
func (p *p9p) good(stdin string, args ...string) string {
	p.t.Helper()
	out, complaint := p.run(stdin, args...)
	if complaint != "" {
		p.t.Fatalf("9p %q: %s", args, complaint)
	}
	return out
}

// TestPlan9portFrames: the transcript plan9port.p9 is what the real 9p sends
// and gets. Each of its parts begins with the command that it is of.
func TestPlan9portFrames(t *testing.T) {
	p := startP9p(t)
	b, err := os.ReadFile("testdata/plan9port.p9")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split("\n"+string(b), "\n!9p ")[1:]
	if len(parts) < 10 {
		t.Fatalf("%d commands", len(parts))
	}
	for _, part := range parts {
		command, lines, _ := strings.Cut(part, "\n")
		lines, _, _ = strings.Cut(lines, "\n!connect")
		stdin, args, err := splitCommand(command)
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		p.run(stdin, args...)
		p.compare(command, strings.Split(lines, "\n"), p.log.take())
	}
}

// splitCommand takes the line of a command apart: what it reads, a Go string,
// and its arguments.
func splitCommand(line string) (stdin string, args []string, err error) {
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		return "", nil, err
	}
	stdin, err = strconv.Unquote(quoted)
	return stdin, strings.Fields(line[len(quoted):]), err
}

// compare follows a part of the transcript along the trace of a connection.
func (p *p9p) compare(command string, want, trace []string) {
	p.t.Helper()
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Fatalf("9p %s: %s\nof\n%s", command, fmt.Sprintf(format, args...), strings.Join(trace, "\n"))
	}
	rest := trace
	next := func(way string) string {
		if len(rest) == 0 {
			return "the end"
		}
		line := rest[0]
		if !strings.HasPrefix(line, way) {
			return line
		}
		rest = rest[1:]
		return strings.TrimPrefix(line, way)
	}
	for _, line := range want {
		switch word, args, _ := strings.Cut(line, " "); {
		case line == "" || line[0] == '#':
		case line[0] == 'T':
			f, err := ninep.ParseFcall(strings.Replace(line, "uname glenda", "uname "+me(p.t), 1))
			if err != nil {
				fail("%s: %v", line, err)
			}
			if got := next("<- "); placeless(got) != placeless(f.String()) {
				fail("got\n\t%s\nwant\n\t%s", got, f)
			}
		case line[0] == 'R':
			prefix, any := strings.CutSuffix(line, "*")
			if got := next("-> "); got != line && !(any && strings.HasPrefix(got, prefix)) {
				fail("got\n\t%s\nwant\n\t%s", got, line)
			}
		case word == "!cat":
			f := strings.Fields(args)
			for end := false; !end; {
				if got := next("<- "); !strings.HasPrefix(got, "Tread ") || !strings.Contains(got, " fid "+f[0]+" ") || !strings.HasSuffix(got, " count "+f[1]) {
					fail("got\n\t%s\nwant a Tread of fid %s, count %s", got, f[0], f[1])
				}
				got := next("-> ")
				if !strings.HasPrefix(got, "Rread ") {
					fail("got\n\t%s\nwant an Rread", got)
				}
				end = strings.HasSuffix(got, " count 0")
			}
		default:
			fail("what is %q?", line)
		}
	}
	if len(rest) > 0 {
		fail("then came\n\t%s", strings.Join(rest, "\n\t"))
	}
}

// placeless is a message without the offset of a Twrite, which is where a read
// before it ended, and means nothing here.
func placeless(line string) string {
	if strings.HasPrefix(line, "Twrite ") {
		line = regexp.MustCompile(` offset \d+`).ReplaceAllString(line, "")
	}
	return line
}

// me is how 9p attaches.
func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// TestPlan9port uses the real 9p as a person would.
func TestPlan9port(t *testing.T) {
	p := startP9p(t)
	p.good("why is the sky blue\n", "write", "infer/new")
	if got := p.good("", "read", "infer/last/out"); got != "you said why is the sky blue" {
		t.Errorf("read: %q", got)
	}
	id := strings.TrimSpace(p.good("", "read", "infer/new"))
	if got := strings.Fields(p.good("", "ls")); !slices.Equal(got, []string{"ctl", "event", "infer", "metrics", "model", "status"}) {
		t.Errorf("ls: %q", got)
	}
	if got := p.good("", "ls", "-l", "infer/"+id); strings.Count(got, "\n") != 10 || !strings.Contains(got, me(t)) || !strings.Contains(got, " out\n") {
		t.Errorf("ls -l: %s", got)
	}
	if got := p.good("", "ls", "-ld", "infer/last"); !strings.HasPrefix(got, "d") || !strings.HasSuffix(got, " last\n") {
		t.Errorf("ls -ld: %s", got)
	}
	if got := p.good("", "stat", "infer/"+id+"/prompt"); !strings.Contains(got, "'prompt'") || !strings.Contains(got, me(t)) {
		t.Errorf("stat: %s", got)
	}
	if got := p.good("", "-A", "infer/"+id, "read", "ctl"); got != p.good("", "read", "infer/"+id+"/ctl") || !strings.Contains(got, "\ntop_k 40\n") {
		t.Errorf("read with an aname: %s", got)
	}
	p.good("temperature 0\ntop_k 7\n", "write", "-l", "infer/last/ctl")
	if _, complaint := p.run("temperature 0\ntop_k hot\nseed 3\n", "write", "-l", "infer/last/ctl"); !strings.Contains(complaint, "hot") {
		t.Errorf("write -l of a bad value: %q", complaint)
	}
	ctl := p.good("", "read", "infer/"+id+"/ctl")
	for _, want := range []string{"\ntop_k 7\n", "\nseed 3\n"} { // a line is a message of its own
		if !strings.Contains(ctl, want) {
			t.Errorf("no %q in %s", want, ctl)
		}
	}
	if got, complaint := p.run("seed 4\nseed x\n", "rdwr", "infer/last/ctl"); strings.Count(got, "seed 3\n") != 1 || strings.Count(got, "seed 4\n") != 2 || !strings.Contains(complaint, "x") {
		t.Errorf("rdwr: %s%s", got, complaint)
	}
	p.good(strings.Repeat("x", 10000)+"\n", "write", "infer/"+id+"/prompt")
	if got := p.good("", "read", "infer/"+id+"/out"); got != "you said "+strings.Repeat("x", 10000) {
		t.Errorf("a long prompt: %d bytes", len(got))
	}
	if _, complaint := p.run("", "create", "infer/x"); !strings.Contains(complaint, "permission denied") {
		t.Errorf("create: %q", complaint)
	}
	if _, complaint := p.run("", "rm", "status"); !strings.Contains(complaint, "permission denied") {
		t.Errorf("rm of status: %q", complaint)
	}
	if _, complaint := p.run("", "read", "infer/"+id+"/nothing"); !strings.Contains(complaint, "not found") {
		t.Errorf("read of nothing: %q", complaint)
	}
	p.good("", "rm", "infer/"+id)
	if got := p.good("", "ls", "infer"); strings.Contains(got, id) {
		t.Errorf("after rm: %s", got)
	}
}

// TestPlan9portCon: con reads and writes one fid at once. The answer of a
// clone file is a session, whichever comes first.
func TestPlan9portCon(t *testing.T) {
	p := startP9p(t)
	for i := range 20 {
		id := strings.TrimSpace(p.good(fmt.Sprintf("temperature 0.%d\n", i+1), "con", "infer/new"))
		if p.good("", "ls", "-d", "infer/last") != "last\n" {
			t.Errorf("con infer/new printed %q, and made no session", id)
		}
	}
}

// TestPlan9portStream: a token is printed before the next is made, and an
// interrupt ends the reader and nothing else.
func TestPlan9portStream(t *testing.T) {
	p := startP9p(t)
	cmd := p.command("read", "event")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	var got string
	for !strings.Contains(got, "state=made") {
		if got == "" { // its event can only come after the open
			p.opened("event")
			p.good("hello\n", "write", "infer/new")
		}
		n, err := out.Read(buf)
		got += string(buf[:n])
		if err != nil {
			t.Fatalf("read event: %q, %v", got, err)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "interrupt") {
		t.Errorf("an interrupted 9p: %v", err)
	}
	if got := p.good("", "read", "infer/last/out"); got != "you said hello" {
		t.Errorf("after it: %q", got)
	}
}

// opened waits until a file has been opened.
func (p *p9p) opened(name string) {
	p.t.Helper()
	var all []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		all = append(all, p.log.take()...)
		s := strings.Join(all, "\n")
		if i := strings.Index(s, ":"+name); i >= 0 && strings.Contains(s[i:], "-> Ropen") {
			return
		}
	}
	p.t.Fatalf("%s was not opened", name)
}
