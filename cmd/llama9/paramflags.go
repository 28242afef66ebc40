package main

import (
	"strings"

	"github.com/spf13/pflag"

	"llama9/styxfs"
)

// A paramFlags makes a flag of every parameter of N/ctl, by styxfs's own
// table, and collects the lines that set what was given.
type paramFlags struct {
	checked styxfs.Params // takes every value, to refuse bad ones at once
	lines   []byte        // to be written to ctl
}

// Names that run has for other things than the parameter: see runFlags.model.
var noParamFlag = map[string]bool{"model": true}

var paramShort = map[string]string{"n_predict": "n", "seed": "s"}

func (p *paramFlags) flags(f *pflag.FlagSet) {
	p.checked = styxfs.DefaultParams()
	for _, d := range styxfs.ParamTable() {
		if noParamFlag[d.Name] {
			continue
		}
		usage := d.Help
		if d.Range != "" {
			usage += "; " + d.Range
		}
		if d.Default != "" {
			usage += " (default " + d.Default + ")"
		}
		if d.Repeat {
			usage += "; may be given again"
		}
		v := &paramValue{p: p, d: d}
		fl := f.VarPF(v, strings.ReplaceAll(d.Name, "_", "-"), paramShort[d.Name], usage)
		if d.Args == "on|off" {
			fl.NoOptDefVal = "on"
		}
	}
}

// set adds a line.
func (p *paramFlags) set(words ...string) {
	p.lines = append(styxfs.AppendFields(p.lines, words...), '\n')
}

// A paramValue is the flag of one parameter.
type paramValue struct {
	p     *paramFlags
	d     styxfs.Param
	given bool
}

func (v *paramValue) String() string { return "" }
func (v *paramValue) Type() string   { return strings.ToLower(v.d.Args) }

func (v *paramValue) Set(s string) error {
	args := []string{s}
	if v.d.Args == "ID BIAS" || v.d.Args == "NAME..." {
		args = strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' })
	}
	if v.d.Repeat && !v.given { // what is given replaces the default list
		if err := v.d.Set(&v.p.checked); err != nil {
			return err
		}
		v.p.set(v.d.Name)
	}
	if err := v.d.Set(&v.p.checked, args...); err != nil {
		return err
	}
	v.given = true
	v.p.set(append([]string{v.d.Name}, args...)...)
	return nil
}
