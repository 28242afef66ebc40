package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// written gives what is written for a target: the golden files of deploy.
func written(t *testing.T, target string) []string {
	t.Helper()
	files, err := filepath.Glob("../../deploy/testdata/target/*/" + target + "/*")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

// TestKubernetes: every document is one of its kind, with no unknown field; the
// selectors find their pods, and the coordinator looks up records that are.
func TestKubernetes(t *testing.T) {
	for _, file := range written(t, "kubernetes") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var records []string            // that there are
		pods := make(map[string]string) // labels of the pods, by who makes them
		services := make(map[string]map[string]string)
		claims := make(map[string]bool)
		var coord core.PodSpec
		into := func(doc string, o any) {
			if err := yaml.UnmarshalStrict([]byte(doc), o); err != nil {
				t.Errorf("%s: %v\n%s", file, err, doc)
			}
		}
		check := func(m meta.ObjectMeta, s *meta.LabelSelector, p core.PodTemplateSpec) {
			selector, err := meta.LabelSelectorAsSelector(s)
			if err != nil || !selector.Matches(labels.Set(p.Labels)) {
				t.Errorf("%s: %s does not select its pods: %v, %v", file, m.Name, s, err)
			}
			pods[m.Name] = labels.Set(p.Labels).String()
			for _, c := range p.Spec.Containers {
				for _, v := range c.VolumeMounts {
					if !slices.ContainsFunc(p.Spec.Volumes, func(have core.Volume) bool { return have.Name == v.Name }) {
						t.Errorf("%s: %s: no volume %s", file, m.Name, v.Name)
					}
				}
			}
		}
		for doc := range strings.SplitSeq(string(b), "\n---\n") {
			var kind meta.TypeMeta
			if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
				t.Fatal(err)
			}
			var name string
			switch kind.APIVersion + " " + kind.Kind {
			case " ": // the comment at the top
				continue
			case "v1 Service":
				var s core.Service
				into(doc, &s)
				name = s.Name
				services[name] = s.Spec.Selector
				for _, p := range s.Spec.Ports {
					if s.Spec.ClusterIP == "None" {
						records = append(records, fmt.Sprintf("_%s._%s.%s", p.Name, strings.ToLower(string(p.Protocol)), s.Name))
					}
				}
			case "apps/v1 StatefulSet":
				var s apps.StatefulSet
				into(doc, &s)
				name = s.Name
				check(s.ObjectMeta, s.Spec.Selector, s.Spec.Template)
				if services[s.Spec.ServiceName] == nil {
					t.Errorf("%s: %s: no service %s", file, s.Name, s.Spec.ServiceName)
				}
			case "apps/v1 Deployment":
				var s apps.Deployment
				into(doc, &s)
				name = s.Name
				check(s.ObjectMeta, s.Spec.Selector, s.Spec.Template)
				coord = s.Spec.Template.Spec
			case "v1 PersistentVolumeClaim":
				var s core.PersistentVolumeClaim
				into(doc, &s)
				name = s.Name
				claims[name] = true
			default:
				t.Errorf("%s: unknown %v", file, kind)
			}
			if bad := validation.IsDNS1035Label(name); len(bad) > 0 {
				t.Errorf("%s: %q: %v", file, name, bad)
			}
		}
		for name, selector := range services {
			found := 0
			for _, l := range pods {
				set, err := labels.ConvertSelectorToLabelsMap(l)
				if err != nil {
					t.Fatal(err)
				}
				if labels.SelectorFromSet(selector).Matches(set) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: service %s finds %d kinds of pods", file, name, found)
			}
		}
		looked := 0
		for i, a := range coord.Containers[0].Args {
			if a == "--discover" {
				looked++
				if srv := strings.TrimPrefix(coord.Containers[0].Args[i+1], "srv:"); !slices.Contains(records, srv) {
					t.Errorf("%s: the coordinator looks up %s, and there are %v", file, srv, records)
				}
			}
		}
		if looked != len(records) || looked == 0 || !claims[coord.Volumes[0].PersistentVolumeClaim.ClaimName] {
			t.Errorf("%s: %d lookups, records %v, claims %v", file, looked, records, claims)
		}
	}
}

// TestNomad: the job is HCL; the coordinator looks up the services of the nodes,
// and no text asks for what Nomad does not know.
func TestNomad(t *testing.T) {
	for _, file := range written(t, "nomad") {
		f, bad := hclparse.NewParser().ParseHCLFile(file)
		if bad.HasErrors() {
			t.Fatalf("%s: %v", file, bad)
		}
		body := f.Body.(*hclsyntax.Body)
		if len(body.Blocks) != 1 || body.Blocks[0].Type != "job" {
			t.Fatalf("%s: no job", file)
		}
		known := map[string]string{
			"job": "type", "group": "count", "network": "", "port": "static", "service": "name port provider tags", "check": "type interval timeout",
			"restart": "attempts interval delay mode", "task": "driver kill_timeout", "config": "command args", "env": "*", "resources": "cores memory",
		}
		var services []string
		text := string(f.Bytes)
		var walk func(blocks hclsyntax.Blocks)
		walk = func(blocks hclsyntax.Blocks) {
			for _, b := range blocks {
				attrs, ok := known[b.Type]
				if !ok {
					t.Errorf("%s: %s: unknown block %s", file, b.Range(), b.Type)
				}
				for name, a := range b.Body.Attributes {
					if attrs != "*" && !slices.Contains(strings.Fields(attrs), name) {
						t.Errorf("%s: %s: unknown attribute %s of %s", file, a.Range(), name, b.Type)
					}
					for _, v := range a.Expr.Variables() {
						if root := v.RootName(); !strings.HasPrefix(root, "NOMAD_") {
							t.Errorf("%s: %s: %s is none of Nomad's", file, a.Range(), root)
						}
					}
					if b.Type == "service" && name == "name" {
						v, bad := a.Expr.Value(&hcl.EvalContext{})
						if bad.HasErrors() {
							t.Fatal(bad)
						}
						services = append(services, v.AsString())
					}
				}
				walk(b.Body.Blocks)
			}
		}
		walk(body.Blocks)
		if len(services) < 2 {
			t.Errorf("%s: services %v", file, services)
		}
		for _, s := range services[:len(services)-1] { // the last is the coordinator's
			if !strings.Contains(text, "srv:_"+s+"._tcp.service.consul") {
				t.Errorf("%s: nobody looks up %s", file, s)
			}
		}
	}
}

// TestCompose: Compose's own loader takes the file, against its schema.
func TestCompose(t *testing.T) {
	for _, file := range written(t, "compose") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
			WorkingDir:  t.TempDir(),
			ConfigFiles: []types.ConfigFile{{Filename: file, Content: b}},
			Environment: types.Mapping{},
		})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		coord, ok := p.Services["coord"]
		if !ok || len(p.Services) < 2 || len(coord.Ports) != 1 || coord.Ports[0].HostIP != "127.0.0.1" {
			t.Errorf("%s: services %v", file, p.ServiceNames())
		}
		for name, s := range p.Services {
			if name == "coord" {
				continue
			}
			if i := slices.Index(s.Command, "--join"); i < 0 || s.Command[i+1] != "tcp!coord!5640" {
				t.Errorf("%s: %s does not join: %q", file, name, s.Command)
			}
			if a := s.Environment["A"]; a != nil && *a != "50% of $HOME" {
				t.Errorf("%s: A is %q", file, *a)
			}
		}
	}
}
