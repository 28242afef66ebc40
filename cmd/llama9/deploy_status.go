package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/styxfs"
)

// deployStatusCommand shows what a deployment is.
func deployStatusCommand() *cobra.Command {
	var d deployClient
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "show a deployment, a line a node",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			fs, err := d.dial(c.Context())
			if err != nil {
				return err
			}
			defer fs.Close()
			show := showStatus
			if asJSON {
				show = showJSON
			}
			if watch {
				return watchStatus(c.Context(), fs, c.OutOrStdout(), show)
			}
			all, err := readStatus(c.Context(), fs)
			if err != nil {
				return err
			}
			return show(c.OutOrStdout(), all)
		},
	}
	d.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "as one line of JSON: addr, state, nodes")
	c.Flags().BoolVar(&watch, "watch", false, "again at each change")
	return c
}

// readStatus reads deploy/status: the whole, then the nodes.
func readStatus(ctx context.Context, fs *mnt.Fsys) ([][]styxfs.Attr, error) {
	b, err := fs.ReadFile(ctx, "deploy/status")
	if err != nil {
		return nil, err
	}
	var all [][]styxfs.Attr
	for line := range lines(string(b)) {
		attrs, err := styxfs.ParseAttrs(line)
		if err != nil {
			return nil, fmt.Errorf("deploy/status: %w", err)
		}
		all = append(all, attrs)
	}
	if len(all) == 0 {
		return nil, errors.New("deploy/status is empty")
	}
	return all, nil
}

func showStatus(out io.Writer, all [][]styxfs.Attr) error {
	whole := func(name string) string { return styxfs.FindAttr(all[0], name) }
	fmt.Fprintf(out, "%s %s at %s: %s of %s nodes ready, %s turns run, %s wait\n", whole("deploy"), whole("state"), whole("addr"),
		whole("ready"), whole("nodes"), whole("busy"), whole("queue"))
	if e := whole("error"); e != "" {
		fmt.Fprintln(out, "error:", e)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSTATE\tADDR\tPID\tBUSY\tQUEUE\tTOKENS/S\tSTARTS\tERROR")
	for _, n := range all[1:] {
		a := func(name string) string { return styxfs.FindAttr(n, name) }
		state := a("state")
		if state == "starting" {
			state += " " + a("percent") + "%"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s/%s\t%s\t%s\t%s\t%s\n", a("node"), state, a("addr"), a("pid"), a("busy"), a("slots"), a("queue"),
			a("tokens/s"), a("starts"), a("error"))
	}
	return w.Flush()
}

// showJSON writes the attributes as they are: numbers and booleans as such, and
// nodes is the list of them.
func showJSON(out io.Writer, all [][]styxfs.Attr) error {
	whole := object(all[0])
	nodes := make([]map[string]any, 0, len(all))
	for _, n := range all[1:] {
		nodes = append(nodes, object(n))
	}
	whole["nodes"] = nodes
	return json.NewEncoder(out).Encode(whole)
}

func object(attrs []styxfs.Attr) map[string]any {
	texts := map[string]bool{"deploy": true, "node": true, "state": true, "addr": true, "file": true, "group": true, "error": true, "started": true}
	o := make(map[string]any)
	for _, a := range attrs {
		n, err := strconv.ParseFloat(a.Value, 64)
		switch {
		case texts[a.Name]:
			o[a.Name] = a.Value
		case a.Value == "on" || a.Value == "off":
			o[a.Name] = a.Value == "on"
		case a.Value == "":
			o[a.Name] = nil
		case err == nil:
			o[a.Name] = n
		default:
			o[a.Name] = a.Value
		}
	}
	return o
}
