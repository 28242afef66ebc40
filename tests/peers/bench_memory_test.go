package peers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/ninep"
)

// many is how many connections and blocked readers are held at once.
const many = 10_000

// childEnv makes BenchmarkMemory serve instead, in a process of its own, so
// that the clients' memory is not counted.
const childEnv = "LLAMA9_BENCH_CHILD"

// A usage is what a server process holds and has spent.
type usage struct {
	goBytes int // heap and stacks in use, after a collection
	rss     int
	cpu     time.Duration
}

// serveChild serves the contender called name at the socket path, and answers
// every line of standard input with its usage, until that ends; after the
// line gc it collects its garbage first.
func serveChild(b *testing.B, name, path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	var serve func(net.Conn)
	for _, c := range contenders() {
		if c.name == name {
			serve = c.serve(content())
		}
	}
	go func() { // ends with the process
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "gc" {
			debug.FreeOSMemory()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		statm, _ := os.ReadFile("/proc/self/statm")
		pages, _ := strconv.Atoi(strings.Fields(string(statm) + " 0 0")[1])
		var r syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		fmt.Println("usage", m.HeapInuse+m.StackInuse, pages*os.Getpagesize(), r.Utime.Nano()+r.Stime.Nano())
	}
	os.Exit(0)
}

// A child is a server process.
type child struct {
	b    *testing.B
	path string
	ask  func(how string) usage
}

func startChild(b *testing.B, name string) child {
	path := filepath.Join(b.TempDir(), "sock")
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkMemory$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), childEnv+"="+name+" "+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	line := func(prefix string) string { // past what the test binary prints
		for lines.Scan() {
			if i := strings.Index(lines.Text(), prefix); i >= 0 {
				return lines.Text()[i:]
			}
		}
		b.Fatalf("%s: the server ended", name)
		return ""
	}
	line("ready")
	return child{b, path, func(how string) usage {
		var u usage
		fmt.Fprintln(in, how)
		if _, err := fmt.Sscanf(line("usage"), "usage %d %d %d", &u.goBytes, &u.rss, &u.cpu); err != nil {
			b.Fatal(err)
		}
		return u
	}}
}

// dial attaches a client that asked for messages of msize and itself holds
// next to nothing.
func (c child) dial(w wire, msize int) *rawClient {
	conn, err := net.Dial("unix", c.path)
	if err != nil {
		c.b.Fatal(err)
	}
	c.b.Cleanup(func() { conn.Close() })
	cl := &rawClient{conn: conn, buf: make([]byte, 512)}
	for _, t := range [][]byte{frame(tVersion, noTag, uint32(msize), w.version), w.attach} {
		if err := cl.rpc(t); err != nil {
			c.b.Fatal(err)
		}
	}
	return cl
}

// block sends a read of "block", which never answers, on fid; the walk after
// it does, and then the read is under way.
func (c child) block(cl *rawClient, tag uint16, fid uint32) {
	for _, t := range [][]byte{walkFrame(0, fid, "block"), plain.open(fid)} {
		if err := cl.rpc(t); err != nil {
			c.b.Fatal(err)
		}
	}
	if _, err := cl.conn.Write(readFrame(tag, fid, 64<<10)); err != nil {
		c.b.Fatal(err)
	}
	if err := cl.rpc(frame(tWalk, 0, uint32(0), uint32(0), uint16(0))); err != nil {
		c.b.Fatal(err)
	}
}

func (c child) report(before, after usage, n int, what string) {
	c.b.ReportMetric(float64(after.goBytes-before.goBytes)/float64(n), "B/"+what)
	c.b.ReportMetric(float64(after.rss-before.rss)/float64(n), "rss-B/"+what)
}

// BenchmarkMemory gives the bytes of a server's heap and stacks, and of its
// resident memory, for an idle connection and for a blocked read; and the
// processor time that a second of holding them costs. The others hold 1,000
// connections, as some of them could not hold more here; go9p has 100
// goroutines for each.
func BenchmarkMemory(b *testing.B) {
	if arg := os.Getenv(childEnv); arg != "" {
		name, path, _ := strings.Cut(arg, " ")
		serveChild(b, name, path)
	}
	raiseFiles(b, many+100)
	for _, c := range contenders() {
		n, msize := many, mib
		if !strings.HasPrefix(c.name, "ours") {
			n, msize = 1000, 64<<10
		}
		b.Run(fmt.Sprintf("idle/%s/conns=%d", c.name, n), func(b *testing.B) {
			s := startChild(b, c.name)
			before := s.ask("gc")
			for range n {
				s.dial(c.wire, msize)
			}
			s.report(before, s.ask("gc"), n, "conn")
			idle(b, s)
		})
	}
	for _, conns := range []int{1, many} {
		b.Run(fmt.Sprintf("blocked=%d/ours/conns=%d", many, conns), func(b *testing.B) {
			s := startChild(b, "ours")
			cls := make([]*rawClient, conns)
			for i := range cls {
				cls[i] = s.dial(plain, mib)
			}
			before := s.ask("gc")
			for i := range many {
				s.block(cls[i%conns], uint16(1+i/conns), uint32(1+i/conns))
			}
			s.report(before, s.ask("gc"), many, "read")
			idle(b, s)
		})
	}
}

// idle reports the processor time of a second in which nothing is asked.
func idle(b *testing.B, s child) {
	began, before := time.Now(), s.ask("cpu")
	time.Sleep(2 * time.Second) // the interval that is measured
	after := s.ask("cpu")
	b.ReportMetric((after.cpu-before.cpu).Seconds()*1000/time.Since(began).Seconds(), "idle-ms/s")
	b.ReportMetric(0, "ns/op")
}

// raiseFiles lets this process, and those that it starts, open n files, or
// skips loudly.
func raiseFiles(b *testing.B, n uint64) {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		b.Fatal(err)
	}
	if lim.Max < n {
		b.Skipf("LEFT OUT: %d connections need as many open files, and the limit is %d (ulimit -Hn)", n, lim.Max)
	}
	if lim.Cur < n {
		lim.Cur = lim.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
			b.Fatal(err)
		}
	}
}

// blockFile is a file whose read waits until the client is gone.
type blockFile struct{ memFile }

func (f *blockFile) Open(context.Context, ninep.OpenMode) (ninep.Handle, error) { return f, nil }
func (f *blockFile) Wait(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}
func (f *blockFile) Ready(int64) bool { return false }

func serveNinep(data []byte) func(net.Conn) {
	srv := &ninep.Server{FS: &memDir{map[string]ninep.Node{"data": &memFile{data}, "block": &blockFile{}}}}
	return func(c net.Conn) { srv.ServeConn(context.Background(), c) }
}
