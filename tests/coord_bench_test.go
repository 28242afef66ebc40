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

// BenchmarkCoord: time to the first token, and to each.
func BenchmarkCoord(b *testing.B) {
	b.Setenv("GOMAXPROCS", "1")
	addr, node, _ := serve(b, "--engine", "fake", "-m", "fake:words,step=1ms", "--alias", "words")
	_, coord, _ := coordinate(b, 1, "--node", "a="+addr)
	set := fmt.Sprintf("n_predict %d\nignore_eos on\nonclose keep\n", benchTokens)
	first := func(fs *mnt.Fsys) time.Duration {
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
			behind = append(behind, first(coord))
		}
		// One turn, read in both places: the node's session is its newest.
		dir := "infer/" + strings.TrimSpace(readFile(b, coord, "infer/new"))
		writeFile(b, coord, dir+"/ctl", set)
		far, err := coord.Open(b.Context(), dir+"/token", ninep.OREAD)
		if err != nil {
			b.Fatal(err)
		}
		have := names(b, node)
		writeFile(b, coord, dir+"/prompt", "x")
		var there string
		until(b, "the node has the session", func() bool {
			for n := range names(b, node) {
				if !have[n] {
					there = n
				}
			}
			return there != ""
		})
		near, err := node.Open(b.Context(), "infer/"+there+"/token", ninep.OREAD)
		if err != nil {
			b.Fatal(err)
		}
		var at times
		var both sync.WaitGroup
		both.Go(func() { at = stamps(b, near) })
		got := stamps(b, far)
		both.Wait()
		for i := benchTokens / 2; i < min(len(at), len(got)); i++ { // when both were there in time
			added = append(added, got[i]-at[i])
		}
		near.Forget()
		far.Forget()
		coord.Remove(b.Context(), dir)
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

// names are the sessions of a server.
func names(b *testing.B, fs *mnt.Fsys) map[string]bool {
	l, err := fs.ReadDir(b.Context(), "infer")
	if err != nil {
		b.Fatal(err)
	}
	m := make(map[string]bool)
	for _, st := range l {
		if st.Name[0] >= '0' && st.Name[0] <= '9' {
			m[st.Name] = true
		}
	}
	return m
}

// BenchmarkProxy is the same over HTTP: a server that streams lines, and a
// proxy before it.
func BenchmarkProxy(b *testing.B) {
	server := httpProcess(b, "serve")
	proxy := httpProcess(b, server)
	client := &http.Client{}
	get := func(base, query string) *http.Response {
		r, err := client.Get(base + "/?" + query)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	first := func(base string) time.Duration {
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

// httpProcess starts this test's program as an HTTP server, or as a proxy of
// one, and gives its address.
func httpProcess(b *testing.B, what string) string {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", "^TestHTTPHelper$")
	cmd.Env = append(os.Environ(), "LLAMA9_TEST_HTTP="+what, "GOMAXPROCS=1")
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

// TestHTTPHelper is run by BenchmarkProxy in a process of its own.
func TestHTTPHelper(t *testing.T) {
	what := os.Getenv("LLAMA9_TEST_HTTP")
	if what == "" {
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
