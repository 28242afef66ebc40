//go:build linux && amd64 && !race

package kernel

import (
	"context"
	"testing"

	"llama9/coord"
	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// behindCoord starts a coordinator whose only node is s. What is mounted then is
// the coordinator, and the gate is the node's engine's.
func behindCoord(t testing.TB, s *server) *server {
	t.Helper()
	events := styxfs.NewEvents()
	c, err := coord.New(coord.Config{
		Open:  func(addr string) (coord.Place, error) { return coord.NewRemote(coord.RemoteConfig{Addr: addr}), nil },
		Event: events.Post,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := styxfs.Config{Backend: c, Version: "test", Events: events, Extra: map[string]ninep.Node{"node": c.Dir()}}
	tree, err := styxfs.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Bind(tree, "llama9", "llama9")
	front := &server{port: "0", gate: s.gate}
	front.listen(t, tree, func(ctx context.Context) error { return c.Close(ctx) })
	err = c.Ctl(t.Context(), [][]string{{"mount", "a", "tcp!127.0.0.1!" + s.port}})
	if err != nil {
		t.Fatal(err)
	}
	up := func(fs *mnt.Fsys) bool {
		b, err := fs.ReadFile(t.Context(), "status")
		if err != nil {
			t.Fatal(err)
		}
		attrs, err := styxfs.ParseAttrs(string(b))
		if err != nil {
			t.Fatal(err)
		}
		return styxfs.FindAttr(attrs, "up") == "1"
	}
	event, err := front.fs.Open(t.Context(), "event", ninep.OREAD)
	if err != nil {
		t.Fatal(err)
	}
	defer event.Close(context.Background())
	for p := make([]byte, 8192); !up(front.fs); {
		if _, err := event.Read(t.Context(), p); err != nil { // until something is said
			t.Fatal(err)
		}
	}
	return front
}

// throughCoord mounts a coordinator and does what can be done with a node.
func throughCoord(t *testing.T, m *machine, s *server) {
	front := behindCoord(t, s)
	for _, mt := range mounts(m.kernel) {
		if mt.name != "none" && mt.name != "plain" {
			continue
		}
		t.Run(mt.name, func(t *testing.T) {
			m.shells[0].mount(t, front, mt)
			c := &client{server: front, machine: m, mount: mt, sh: m.shells[0]}
			for name, run := range map[string]func(*testing.T){
				"first": c.first, "second": c.second, "read": c.reads, "write": c.writes, "long prompt": c.longPrompt,
				"descriptor": c.descriptor, "kill": c.kill, "live": c.live, "shells": c.shellsAtOnce, "node": c.node,
			} {
				t.Run(name, run)
			}
			t.Run("remove", c.remove)
			m.shells[0].must(t, "umount "+mt.dir())
		})
	}
}

// node looks at what only a coordinator has.
func (c *client) node(t *testing.T) {
	c.prints(t, "grep -o 'name=a .*state=up' $M/node/index | cut -d ' ' -f 1", "name=a\n")
	c.prints(t, "ls $M/node/a | grep -c -e '^infer$' -e '^ctl$' -e '^model$'", "3\n")
	c.prints(t, "S=$M/infer/$(new); echo hi > $S/prompt; cat $S/out; grep -o 'node=a' $S/status", sentence+"node=a\n")
	// A session of the node, made and asked through the coordinator.
	c.prints(t, "N=$M/node/a; S=$N/infer/$(cat $N/infer/new); echo hi > $S/prompt; cat $S/out; rm -r $S", sentence)
	c.must(t, "find $M > found; grep -q /node/a/infer/new found")
}
