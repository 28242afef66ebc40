package deploy

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

//go:embed target/*.tmpl
var targetFiles embed.FS

// Targets are the supervisors that Target writes for: they run the nodes and
// the coordinator of a cluster on many machines.
func Targets() []string { return []string{"systemd", "kubernetes", "nomad", "compose"} }

// A File is one of those that a target needs.
type File struct {
	Name string
	Text []byte
}

// TargetOptions are what a configuration does not say.
type TargetOptions struct {
	Program string // llama9 on those machines; default /usr/bin/llama9
	Domain  string // in which nodes are found by SRV records; default llama9.internal
	Image   string // of containers; default llama9
}

// Target writes what another supervisor runs the cluster by.
func (c *Config) Target(target string, o TargetOptions) ([]File, error) {
	if !slices.Contains(Targets(), target) {
		return nil, fmt.Errorf("%s: want systemd, kubernetes, nomad or compose", target)
	}
	v := &view{Config: c, Program: or(o.Program, "/usr/bin/llama9"), Domain: or(o.Domain, "llama9.internal"), Image: or(o.Image, "llama9")}
	models := "" // they are where the file says
	if target == "kubernetes" || target == "compose" {
		models = "/models"
	}
	if err := v.fill(models); err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"unit": unitText, "env": envText, "quote": strconv.Quote, "pod": podText, "hcl": hclText, "compose": composeText, "seconds": seconds, "kube": kubeName, "mib": func(s Size) uint64 { return uint64(s) >> 20 },
	}).ParseFS(targetFiles, "target/"+target+"-*.tmpl")
	if err != nil {
		return nil, err
	}
	var files []File
	for _, part := range t.Templates() {
		kind, ok := strings.CutSuffix(strings.TrimPrefix(part.Name(), target+"-"), ".tmpl")
		if !ok {
			continue
		}
		if group, ok := strings.CutPrefix(kind, "group."); ok { // one for each group
			for _, g := range v.Local {
				name := c.Name + "-" + g.Name
				if g.Count > 0 {
					name += "@"
				}
				if files, err = appendFile(files, part, name+"."+group, struct {
					*view
					Group *groupView
				}{v, g}); err != nil {
					return nil, err
				}
			}
			continue
		}
		name := strings.ReplaceAll(kind, "NAME", c.Name)
		if files, err = appendFile(files, part, name, v); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func appendFile(files []File, t *template.Template, name string, data any) ([]File, error) {
	var b bytes.Buffer
	err := t.Execute(&b, data)
	return append(files, File{name, b.Bytes()}), err
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// A view is what the templates see.
type view struct {
	*Config
	Program string
	Domain  string
	Image   string
	Local   []*groupView
	Coord   []string // arguments of the coordinator, without addresses and discovery
	Listen  []string // addresses of the coordinator
	Records []record
	Port    int // of the coordinator
}

// A groupView is a group of local nodes.
type groupView struct {
	Group
	Args  []string // of a node, without addresses
	Port  int      // of the first
	Ports []int
	Nodes int
}

// A record is one of SRV, with the weight that DNS wants.
type record struct {
	Host   string
	Port   int
	Weight int
}

// firstPort is that of the first node on a machine that has the coordinator
// too.
const firstPort = 5641

func (v *view) fill(models string) error {
	v.Coord = []string{"--strategy", v.Network.Strategy, "--failover", v.Network.Failover, "--queue-size", strconv.Itoa(v.Network.Queue),
		"--max-sessions", strconv.Itoa(v.Limits.Sessions), "--session-ttl", v.Limits.SessionTTL.String()}
	for _, m := range v.Models {
		v.Coord = append(v.Coord, "--expect", m.Name)
	}
	v.Port = 5640
	if _, address, err := ninep.ParseAddr(v.Network.Listen[0]); err == nil {
		if _, port, err := net.SplitHostPort(address); err == nil && port != "0" {
			v.Port, _ = strconv.Atoi(port)
		}
	}
	v.Listen = []string{"tcp!*!" + strconv.Itoa(v.Port)}
	next := firstPort
	for i := range v.Nodes {
		g := &v.Nodes[i]
		if g.Remote {
			v.Coord = append(v.Coord, "--node", fmt.Sprintf("%s=%s,weight=%g", g.Name, g.Address, g.Weight))
			continue
		}
		if _, address, err := ninep.ParseAddr(g.Address); err == nil && g.Address != "" && strings.HasPrefix(address, "/") {
			return fmt.Errorf("nodes.%s.address: %s is a socket of one machine", g.Name, g.Address)
		}
		gv := &groupView{Group: *g, Nodes: max(g.Count, 1), Port: g.Port}
		if gv.Port == 0 {
			gv.Port = next
		}
		for k := range gv.Nodes {
			gv.Ports = append(gv.Ports, gv.Port+k)
			v.Records = append(v.Records, record{g.Name + strconv.Itoa(k+1), gv.Port + k, max(1, int(10*g.Weight))})
		}
		next = max(next, gv.Port+gv.Nodes)
		var err error
		if gv.Args, err = v.nodeArgs(g, models); err != nil {
			return err
		}
		v.Local = append(v.Local, gv)
	}
	if len(v.Local) == 0 {
		return fmt.Errorf("nodes: all of them are remote")
	}
	return nil
}

// nodeArgs are the arguments of a node; models is the directory of the models
// there, "" where they are here.
func (v *view) nodeArgs(g *Group, models string) ([]string, error) {
	args := []string{"--engine", v.Engine}
	for i := range v.Models {
		m := &v.Models[i]
		if !g.has(m.Name) {
			continue
		}
		file := m.File
		switch {
		case file == "" && (len(v.Models) > 1 || m.Name != "demo"):
			return nil, fmt.Errorf("models.%s: the built-in model goes alone, and is called demo; name a file", m.Name)
		case file == "":
			for _, f := range []struct {
				flag  string
				value int
			}{{"--ctx-size", m.NCtx}, {"--parallel", m.Parallel}, {"--threads", g.Threads}} {
				if f.value != 0 {
					args = append(args, f.flag, strconv.Itoa(f.value))
				}
			}
			continue
		case models != "" && !v.fake(file):
			file = path.Join(models, path.Base(file))
		}
		words := m.words(file, g.Threads)
		words = slices.DeleteFunc(words, func(w string) bool { return w == "threads=0" })
		args = append(args, "--load", string(styxfs.AppendFields(nil, words...)))
	}
	if g.Memory != 0 {
		args = append(args, "--memory", g.Memory.String())
	}
	return args, nil
}

// StopTime is how long a deployment takes to end, at most.
func (v *view) StopTime() time.Duration {
	return v.Limits.DrainTimeout + v.Limits.StopTimeout + 5*time.Second
}

// unitText writes a word for a command line of a systemd unit: quoted, with
// what systemd would replace doubled. See systemd.service(5), Command lines.
func unitText(s string) string { return envText(strings.ReplaceAll(s, "$", "$$")) }

// envText writes one for its Environment=, where variables are not replaced.
func envText(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if strings.ContainsAny(s, " \t\"'\\;") || s == "" {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s
}

// podText writes a word for a command of Kubernetes, which replaces $(NAME).
func podText(s string) string { return strconv.Quote(strings.ReplaceAll(s, "$(", "$$(")) }

// hclText writes a text for HCL, which replaces ${...} and %{...}.
func hclText(s string) string {
	return strconv.Quote(strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s))
}

// composeText writes a text for Compose, which replaces $NAME.
func composeText(s string) string { return strconv.Quote(strings.ReplaceAll(s, "$", "$$")) }

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// kubeName makes a name one of DNS.
func kubeName(s string) string {
	return strings.Trim(strings.NewReplacer(".", "-", "_", "-").Replace(strings.ToLower(s)), "-")
}
