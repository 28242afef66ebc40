package tests

import (
	"io"
	"strconv"
	"strings"
	"testing"

	"9fans.net/go/plan9"
	"9fans.net/go/plan9/client"
)

// TestSameText: the greedy answer is the same by every way to it.
func TestSameText(t *testing.T) {
	lib := library(t)
	const prompt = "And the LORD said unto"
	addr, _, _ := serve(t, "--llama-lib", lib, "-t", "1")

	want := command(t, "", "run", "--llama-lib", lib, "-t", "1", "--temperature", "0", "-n", "32", prompt)
	if len(want) < 20 {
		t.Fatalf("llama9 run gave %q", want)
	}
	if got := command(t, prompt+"\n", "run", "-a", addr, "--temperature", "0", "-n", "32"); got != want {
		t.Errorf("llama9 run --addr: %q, want %q", got, want)
	}

	id := strings.TrimSpace(command(t, "", "read", "-a", addr, "infer/new"))
	command(t, "temperature 0\nn_predict 32\n", "write", "-a", addr, "infer/"+id+"/ctl")
	command(t, prompt+"\n", "write", "-a", addr, "infer/"+id+"/prompt")
	if got := command(t, "", "read", "-a", addr, "infer/"+id+"/out"); got != want {
		t.Errorf("llama9 write and read: %q, want %q", got, want)
	}

	if got := ninefans(t, addr, prompt); got != want {
		t.Errorf("9fans.net/go: %q, want %q", got, want)
	}
}

// ninefans makes a turn by the client of 9fans.net/go.
func ninefans(t *testing.T, addr, prompt string) string {
	t.Helper()
	conn, err := client.Dial("unix", strings.TrimPrefix(addr, "unix!"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fs, err := conn.Attach(nil, "glenda", "")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		fid, err := fs.Open(name, plan9.OREAD)
		if err != nil {
			t.Fatal(err)
		}
		defer fid.Close()
		b, err := io.ReadAll(fid)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	dir := "infer/" + strings.TrimSpace(read("infer/new"))
	for _, w := range [][2]string{{"ctl", "temperature 0\nn_predict 32\n"}, {"prompt", prompt + "\n"}} {
		fid, err := fs.Open(dir+"/"+w[0], plan9.OWRITE|plan9.OTRUNC)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fid.Write([]byte(w[1])); err != nil {
			t.Fatal(err)
		}
		if err := fid.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return read(dir + "/out")
}

// TestConversationReusesCache: the second turn of a conversation computes its
// new part only.
func TestConversationReusesCache(t *testing.T) {
	_, fs, _ := serve(t, "--llama-lib", library(t), "-t", "1")
	dir := "infer/" + strings.TrimSpace(readFile(t, fs, "infer/new"))
	writeFile(t, fs, dir+"/ctl", "temperature 0\nn_predict 24\n")
	writeFile(t, fs, dir+"/prompt", "And it came to pass in those days, that there went out a decree")
	first := readFile(t, fs, dir+"/out")
	writeFile(t, fs, dir+"/prompt", " And the people answered,")
	second := readFile(t, fs, dir+"/out")
	status := readFile(t, fs, dir+"/status")
	if attr(t, status, "state") != "done" || attr(t, status, "turn") != "2" || first == "" || second == "" {
		t.Fatalf("%q, %q, status %s", first, second, status)
	}
	if c := attr(t, status, "cached_tokens"); c == "0" || c == `""` {
		t.Errorf("the second turn had nothing from the cache: %s", status)
	}
}

// TestSampledTokensAreKept: what was sampled is not always what the tokenizer
// would make of its text, and yet a second turn finds all of it in the cache.
func TestSampledTokensAreKept(t *testing.T) {
	_, fs, _ := serve(t, "--llama-lib", library(t), "-t", "1", "--ctx-size", "1024")
	for seed := range 24 {
		dir := "infer/" + strings.TrimSpace(readFile(t, fs, "infer/new"))
		num := func(name string) int {
			n, err := strconv.Atoi(attr(t, readFile(t, fs, dir+"/status"), name))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		writeFile(t, fs, dir+"/ctl", "temperature 1.2\nn_predict 100\nseed "+strconv.Itoa(seed)+"\n")
		writeFile(t, fs, dir+"/prompt", "why is the sky blue")
		readFile(t, fs, dir+"/out")
		first := num("prompt_tokens") + num("tokens")
		writeFile(t, fs, dir+"/prompt", "and at sunset?")
		readFile(t, fs, dir+"/out")
		if c := num("cached_tokens"); c < first-1 { // the last one was never decoded
			t.Errorf("seed %d: %d of the first turn's %d tokens come from the cache", seed, c, first)
		}
	}
}
