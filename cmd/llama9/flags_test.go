package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"llama9/ninep"
)

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
	}{{"", 0}, {"1", 1}, {"512M", 512 << 20}, {"8G", 8 << 30}, {"8gib", 8 << 30}, {"1.5k", 1536}, {"2T", 2 << 40}, {"3MB", 3 << 20}} {
		if got, err := parseSize(c.in); got != c.want || err != nil {
			t.Errorf("parseSize(%q) = %d, %v; want %d", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{"B", "G", "x", "-1", "0", "NaN", "1e30G", "1P", "8 G 8"} {
		if got, err := parseSize(bad); err == nil {
			t.Errorf("parseSize(%q) = %d", bad, got)
		}
	}
}

func TestExpand(t *testing.T) {
	in := "run -np 2 -ngl 99 -n 3 -- -np"
	if got := strings.Join(expand(strings.Fields(in)), " "); got != "run --parallel 2 --n-gpu-layers 99 -n 3 -- -np" {
		t.Errorf("expand(%q) = %q", in, got)
	}
}

// TestParamLines: flags become the lines of a ctl, in their order.
func TestParamLines(t *testing.T) {
	var p paramFlags
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.SetNormalizeFunc(dashes)
	p.flags(f)
	err := f.Parse([]string{"--temp", "0.5", "--top_k=7", "-n", "3", "--stop", "two words", "--stop", "END", "--ignore-eos",
		"--logit-bias", "15 -inf", "--samplers", "top_k;temperature", "--shift=off"})
	if err != nil {
		t.Fatal(err)
	}
	want := `temperature 0.5
top_k 7
n_predict 3
stop
stop "two words"
stop END
ignore_eos on
logit_bias
logit_bias 15 -inf
samplers top_k temperature
shift off
`
	if got := string(p.lines); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, bad := range []string{"--top-p=2", "--seed=x", "--mirostat=3", "--onclose=never", "--logit-bias=1", "--samplers=top", "--ignore-eos=maybe", "--timeout=soon"} {
		name, _, _ := strings.Cut(bad, "=")
		if err := f.Parse([]string{bad}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestLlamaNames: what llama.cpp's programs call otherwise is known here too.
func TestLlamaNames(t *testing.T) {
	run, _, err := command().Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"temp", "predict", "top-nsigma", "chat-template", "context-shift", "gpu-layers", "system-prompt",
		"keep", "typical", "mirostat-lr", "mirostat-ent", "dynatemp-exp", "n_predict"} {
		if run.Flags().Lookup(name) == nil {
			t.Errorf("run has no --%s", name)
		}
	}
}

func TestModeString(t *testing.T) {
	for mode, want := range map[uint32]string{
		ninep.DMDIR | 0o755: "d-rwxr-xr-x", 0o640: "--rw-r-----", ninep.DMEXCL | 0o600: "-lrw-------",
		ninep.DMAPPEND | 0o222: "a--w--w--w-", ninep.DMSYMLINK | 0o777: "L-rwxrwxrwx",
	} {
		if got := modeString(mode); got != want {
			t.Errorf("%#o is %s, want %s", mode, got, want)
		}
	}
}

func TestPromptOf(t *testing.T) {
	for _, c := range []struct {
		args     []string
		in, want string
	}{
		{nil, "from a pipe\n", "from a pipe"},
		{[]string{"a", "b"}, "unread", "a b"},
		{[]string{"Sum up:", "-"}, "a\ntext\n\n", "Sum up: a\ntext\n"},
	} {
		got, talk, err := promptOf(c.args, strings.NewReader(c.in))
		if got != c.want || talk || err != nil {
			t.Errorf("promptOf(%q) = %q, %v, %v", c.args, got, talk, err)
		}
	}
	if _, _, err := promptOf(nil, strings.NewReader("\n")); err == nil {
		t.Error("an empty prompt was taken")
	}
}

func TestSpecs(t *testing.T) {
	e := engineFlags{engine: "fake", models: []string{"fake:a", "fake:b"}, aliases: []string{"one"}}
	f := pflag.NewFlagSet("node", pflag.ContinueOnError)
	for _, l := range loadFlags {
		f.VarPF(&loadValue{&e.words, l.option, l.arg}, l.name, l.short, l.usage).NoOptDefVal = l.bare
	}
	if err := f.Parse([]string{"-c", "256", "--parallel", "3", "--mlock", "--cache-type-k", "q8_0"}); err != nil {
		t.Fatal(err)
	}
	specs, err := e.specs("")
	if err != nil || len(specs) != 2 {
		t.Fatalf("%v, %v", specs, err)
	}
	if s := specs[0]; s.Name != "one" || s.Context.NCtx != 256 || s.Context.NSeq != 3 || !s.Load.Mlock || s.Context.KVTypeK != "q8_0" {
		t.Errorf("%+v", s)
	}
	if names := []string{specs[0].Name, specs[1].Name}; !slices.Equal(names, []string{"one", "fake:b"}) {
		t.Errorf("%q", names)
	}
	for _, bad := range []string{"--ctx-size=-1", "--cache-type-v=f17", "--threads=many", "--flash-attn=perhaps"} {
		name, _, _ := strings.Cut(bad, "=")
		if err := f.Parse([]string{bad}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
