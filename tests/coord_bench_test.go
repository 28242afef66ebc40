package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// What the coordinator adds, beside what a proxy of net/http/httputil adds to
// the same over HTTP. Every server is a process with GOMAXPROCS=1. A token is
// read by two readers at once, one of the node and one behind the coordinator
// or the proxy: the difference of their times is what is added to it.

// times are samples.
type times []time.Duration

func (l times) at(percent int) float64 {
	slices.Sort(l)
	return float64(l[min(len(l)*percent/100, len(l)-1)]) / 1e6
}

// report tells the difference of two rows of samples at two percentiles.
func report(b *testing.B, what string, direct, behind times) {
	for _, p := range []int{50, 99} {
		b.ReportMetric(behind.at(p)-direct.at(p), fmt.Sprintf("%s-added-p%d-ms", what, p))
	}
}

// tell tells what is added to tokens.
func tell(b *testing.B, added times) {
	b.ReportMetric(added.at(50), "token-added-p50-ms")
	b.ReportMetric(added.at(99), "token-added-p99-ms")
}

// stamps gives when each line of a file came.
func stamps(b *testing.B, f *mnt.File) times {
	var l times
	p := make([]byte, 8192)
	for {
		n, err := f.Read(b.Context(), p)
		now := time.Duration(time.Now().UnixNano())
		for range strings.Count(string(p[:n]), "\n") {
			l = append(l, now)
		}
		if err == io.EOF {
			return l
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

const benchTokens = 100

// rest lets what one turn leaves to be done end before the next one is
// measured.
func rest() { time.Sleep(3 * time.Millisecond) }

// BenchmarkCoord: what a coordinator adds to the time to the first token, and
// to each.
func BenchmarkCoord(b *testing.B) {
	b.Setenv("GOMAXPROCS", "1")
	addr, node, _ := serve(b, fakeFlags...)
	_, coord, _ := coordinate(b, 1, "--node", "a="+addr)
	added(b, node, coord, func() string { return running(b, node) })
}

// BenchmarkRelay: what a process adds that does nothing but pass on the bytes
// of a connection: no less is possible for one that stands between.
func BenchmarkRelay(b *testing.B) {
	b.Setenv("GOMAXPROCS", "1")
	addr, node, _ := serve(b, fakeFlags...)
	fs, err := mnt.Dial(b.Context(), helper(b, "relay "+strings.TrimPrefix(addr, "unix!")), mnt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	added(b, node, fs, func() string { return running(b, node) })
}

var fakeFlags = []string{"--engine", "fake", "-m", "fake:words,step=1ms", "--alias", "words"}

// added measures turns on node, and on what is before it. there names the
// session of the node that has a turn.
func added(b *testing.B, node, before *mnt.Fsys, there func() string) {
	set := fmt.Sprintf("n_predict %d\nignore_eos on\nonclose keep\n", benchTokens)
	first := func(fs *mnt.Fsys) time.Duration {
		rest()
		begun := time.Now()
		t, err := mnt.StartTurn(b.Context(), fs, "n_predict 1\n", []byte("x"))
		if err != nil {
			b.Fatal(err)
		}
		d := time.Since(begun)
		t.Close()
		fs.Remove(b.Context(), "infer/"+t.ID)
		return d
	}
	var direct, behind, added times
	b.ResetTimer()
	for range b.N {
		for range 20 {
			direct = append(direct, first(node))
			behind = append(behind, first(before))
		}
		// One turn, read in both places.
		dir := "infer/" + strings.TrimSpace(readFile(b, before, "infer/new"))
		writeFile(b, before, dir+"/ctl", set)
		far, err := before.Open(b.Context(), dir+"/token", ninep.OREAD)
		if err != nil {
			b.Fatal(err)
		}
		writeFile(b, before, dir+"/prompt", "x")
		var at string
		until(b, "the node has the turn", func() bool {
			at = there()
			return at != ""
		})
		near, err := node.Open(b.Context(), "infer/"+at+"/token", ninep.OREAD)
		if err != nil {
			b.Fatal(err)
		}
		var seen times
		var both sync.WaitGroup
		both.Go(func() { seen = stamps(b, near) })
		got := stamps(b, far)
		both.Wait()
		for i := benchTokens / 2; i < min(len(seen), len(got)); i++ { // when both were there in time
			added = append(added, got[i]-seen[i])
		}
		near.Forget()
		far.Forget()
		before.Remove(b.Context(), dir)
	}
	report(b, "first", direct, behind)
	tell(b, added)
}

// BenchmarkKill is the time from kill -9 of a node to the next token of its
// turn, which goes on on another: the longest time between two of its tokens.
func BenchmarkKill(b *testing.B) {
	flags := []string{"--engine", "fake", "-m", "fake:words,step=1ms", "--alias", "words"}
	c := newCluster(b, "a b", flags...)
	var all times
	b.ResetTimer()
	for range b.N {
		dir := c.session("n_predict 300\nignore_eos on\n")
		writeFile(b, c.fs, dir+"/prompt", "x")
		f, err := c.fs.Open(b.Context(), dir+"/token", ninep.OREAD)
		if err != nil {
			b.Fatal(err)
		}
		var l times
		var read sync.WaitGroup
		read.Go(func() { l = stamps(b, f) })
		c.tokens(dir, 50)
		at := attr(b, readFile(b, c.fs, dir+"/status"), "node")
		c.kill(at)
		read.Wait()
		f.Forget()
		var most time.Duration
		for i := 1; i < len(l); i++ {
			most = max(most, l[i]-l[i-1])
		}
		if len(l) != 300 || !strings.Contains(readFile(b, c.fs, dir+"/status"), ",resumed") {
			b.Fatalf("%d tokens; %s", len(l), readFile(b, c.fs, dir+"/status"))
		}
		all = append(all, most)
		c.start(at, flags...)
		c.state(at, "up")
	}
	b.ReportMetric(all.at(50), "next-token-p50-ms")
	b.ReportMetric(all.at(99), "next-token-p99-ms")
}

// running is the session of a server that has the turn of benchTokens; "" if
// none has.
func running(b *testing.B, fs *mnt.Fsys) string {
	l, err := fs.ReadDir(b.Context(), "infer")
	if err != nil {
		b.Fatal(err)
	}
	for _, st := range l {
		if st.Name[0] < '0' || st.Name[0] > '9' {
			continue
		}
		ctl, err := fs.ReadFile(b.Context(), "infer/"+st.Name+"/ctl")
		if err == nil && strings.Contains(string(ctl), fmt.Sprintf("n_predict %d\n", benchTokens)) {
			return st.Name
		}
	}
	return ""
}

// BenchmarkProxy is the same over HTTP: a server that streams lines, and a
// proxy before it.
func BenchmarkProxy(b *testing.B) {
	server := helper(b, "serve")
	proxy := helper(b, server)
	client := &http.Client{}
	get := func(base, query string) *http.Response {
		r, err := client.Get(base + "/?" + query)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	first := func(base string) time.Duration {
		rest()
		begun := time.Now()
		r := get(base, "n=1")
		bufio.NewReader(r.Body).ReadString('\n')
		d := time.Since(begun)
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		return d
	}
	lines := func(r *http.Response) (l times) {
		defer r.Body.Close()
		for s := bufio.NewScanner(r.Body); s.Scan(); {
			l = append(l, time.Duration(time.Now().UnixNano()))
		}
		return l
	}
	var direct, behind, added times
	b.ResetTimer()
	for i := range b.N {
		for range 20 {
			direct = append(direct, first(server))
			behind = append(behind, first(proxy))
		}
		query := fmt.Sprintf("n=%d&pair=%d", benchTokens, i)
		var at, got times
		var both sync.WaitGroup
		both.Go(func() { at = lines(get(server, query)) })
		got = lines(get(proxy, query))
		both.Wait()
		for i := benchTokens / 2; i < min(len(at), len(got)); i++ {
			added = append(added, got[i]-at[i])
		}
	}
	report(b, "first", direct, behind)
	tell(b, added)
}

// helper starts this test's program as an HTTP server, as a proxy of one, or as
// a relay of a Unix socket, and gives its address. pacedCluster starts it as a
// node.
func helper(b *testing.B, what string) string {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", "^TestHelper$")
	cmd.Env = append(os.Environ(), "LLAMA9_TEST_HELPER="+what, "GOMAXPROCS=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestHelper is run by helper in a process of its own.
func TestHelper(t *testing.T) {
	what := os.Getenv("LLAMA9_TEST_HELPER")
	if what == "" {
		return
	}
	if to, ok := strings.CutPrefix(what, "relay "); ok {
		relay(t, to)
		return
	}
	if line, ok := strings.CutPrefix(what, "node "); ok {
		pacedNode(t, line)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = &pairs{waiting: make(map[string]chan struct{})}
	if what != "serve" {
		u, err := url.Parse(what)
		if err != nil {
			t.Fatal(err)
		}
		p := httputil.NewSingleHostReverseProxy(u)
		p.FlushInterval = -1
		h = p
	}
	fmt.Printf("http://%s\n", ln.Addr())
	http.Serve(ln, h)
}

// relay passes on what comes over a Unix socket to another one, and back.
func relay(t *testing.T, to string) {
	ln, err := net.Listen("unix", to+".relay")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("unix!%s\n", ln.Addr())
	pass := func(to, from net.Conn) {
		defer to.Close()
		for p := make([]byte, 64<<10); ; {
			n, err := from.Read(p)
			if err != nil {
				return
			}
			if _, err := to.Write(p[:n]); err != nil {
				return
			}
		}
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		far, err := net.Dial("unix", to)
		if err != nil {
			t.Fatal(err)
		}
		go pass(far, c)
		go pass(c, far)
	}
}

// pairs streams lines, a millisecond apart; requests of the same pair begin
// together.
type pairs struct {
	mu      sync.Mutex // guards waiting
	waiting map[string]chan struct{}
}

func (p *pairs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := 1
	fmt.Sscan(r.FormValue("n"), &n)
	if id := r.FormValue("pair"); id != "" {
		p.mu.Lock()
		c := p.waiting[id]
		if c == nil {
			c = make(chan struct{})
			p.waiting[id] = c
			p.mu.Unlock()
			<-c
		} else {
			p.mu.Unlock()
			close(c)
		}
	}
	begun := time.Now()
	for i := range n {
		time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Millisecond)))
		fmt.Fprintf(w, "%d - \"word\"\n", i)
		w.(http.Flusher).Flush()
	}
}
