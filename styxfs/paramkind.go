package styxfs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// one gives the only argument.
func one(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("%d values, wants 1", len(args))
	}
	return args[0], nil
}

func parseFloat(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || strings.ContainsAny(s, "_xX") {
		return 0, fmt.Errorf("%s: not a number", Quote(clip(s)))
	}
	return v, nil
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func number(name string, lo, hi float64, at func(*Params) *float64, help string) Param {
	limits := formatFloat(lo) + " to " + formatFloat(hi)
	return Param{
		Name: name, Args: "NUMBER", Range: limits, Help: help,
		get: func(p *Params) [][]string { return [][]string{{formatFloat(*at(p))}} },
		set: func(p *Params, args []string) error {
			s, err := one(args)
			if err != nil {
				return err
			}
			v, err := parseFloat(s)
			if err != nil {
				return err
			}
			if v < lo || v > hi {
				return fmt.Errorf("%s: not from %s", Quote(clip(s)), limits)
			}
			*at(p) = v
			return nil
		},
	}
}

// positive is a number above 0.
func positive(name string, hi float64, at func(*Params) *float64, help string) Param {
	d := number(name, math.SmallestNonzeroFloat64, hi, at, help)
	d.Range = "above 0 to " + formatFloat(hi)
	inner := d.set
	d.set = func(p *Params, args []string) error {
		if err := inner(p, args); err != nil {
			return fmt.Errorf("%s", strings.Replace(err.Error(), "from "+formatFloat(math.SmallestNonzeroFloat64), "above 0", 1))
		}
		return nil
	}
	return d
}

func parseInt(s string, lo, hi int64) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		if _, ferr := strconv.ParseFloat(s, 64); ferr != nil || !strings.ContainsAny(s, "0123456789") {
			return 0, fmt.Errorf("%s: not a number", Quote(clip(s)))
		}
		return 0, fmt.Errorf("%s: not a whole number from %d to %d", Quote(clip(s)), lo, hi)
	}
	if v < lo || v > hi {
		return 0, fmt.Errorf("%s: not from %d to %d", Quote(clip(s)), lo, hi)
	}
	return v, nil
}

func integer(name string, lo, hi int, at func(*Params) *int, help string) Param {
	return Param{
		Name: name, Args: "NUMBER", Range: fmt.Sprintf("%d to %d", lo, hi), Help: help,
		get: func(p *Params) [][]string { return [][]string{{strconv.Itoa(*at(p))}} },
		set: func(p *Params, args []string) error {
			s, err := one(args)
			if err != nil {
				return err
			}
			v, err := parseInt(s, int64(lo), int64(hi))
			if err == nil {
				*at(p) = int(v)
			}
			return err
		},
	}
}

func boolean(name string, at func(*Params) *bool, help string) Param {
	return Param{
		Name: name, Args: "on|off", Help: help,
		get: func(p *Params) [][]string { return [][]string{{onOff(*at(p))}} },
		set: func(p *Params, args []string) error {
			s, err := one(args)
			switch {
			case err != nil:
				return err
			case s != "on" && s != "off":
				return fmt.Errorf("%s: not on or off", Quote(clip(s)))
			}
			*at(p) = s == "on"
			return nil
		},
	}
}

func duration(name string, at func(*Params) *time.Duration, help string) Param {
	return Param{
		Name: name, Args: "DURATION", Range: "0s or more, as 1m30s", Help: help,
		get: func(p *Params) [][]string { return [][]string{{at(p).String()}} },
		set: func(p *Params, args []string) error {
			s, err := one(args)
			if err != nil {
				return err
			}
			d, err := time.ParseDuration(s)
			if err != nil || d < 0 {
				return fmt.Errorf("%s: not a duration, as 1m30s", Quote(clip(s)))
			}
			*at(p) = d
			return nil
		},
	}
}

func text(name, args string, at func(*Params) *string, help string) Param {
	return Param{
		Name: name, Args: args, Help: help,
		get: func(p *Params) [][]string { return [][]string{{*at(p)}} },
		set: func(p *Params, args []string) error {
			s, err := one(args)
			switch {
			case err != nil:
				return err
			case s == "":
				return fmt.Errorf("%s: empty", Quote(s))
			}
			*at(p) = s
			return nil
		},
	}
}

func choice(name string, at func(*Params) *string, help string, from ...string) Param {
	d := text(name, strings.Join(from, "|"), at, help)
	d.set = func(p *Params, args []string) error {
		s, err := one(args)
		switch {
		case err != nil:
			return err
		case !slices.Contains(from, s):
			return fmt.Errorf("%s: not %s", Quote(clip(s)), strings.Join(from, " or "))
		}
		*at(p) = s
		return nil
	}
	return d
}

func texts(name string, most int, at func(*Params) *[]string, help string) Param {
	return Param{
		Name: name, Args: "TEXT", Help: help, Repeat: true,
		get: func(p *Params) [][]string {
			var l [][]string
			for _, s := range *at(p) {
				l = append(l, []string{s})
			}
			return l
		},
		set: func(p *Params, args []string) error {
			if len(args) == 0 {
				*at(p) = nil
				return nil
			}
			s, err := one(args)
			switch old := *at(p); {
			case err != nil:
				return err
			case s == "":
				return fmt.Errorf("%s: empty", Quote(s))
			case len(old) >= most:
				return fmt.Errorf("%s: more than %d", Quote(clip(s)), most)
			default:
				*at(p) = append(old[:len(old):len(old)], s)
			}
			return nil
		},
	}
}

var samplerNames = []string{"penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"}

var samplers = Param{
	Name: "samplers", Args: "NAME...", Range: strings.Join(samplerNames, " "), Help: "the samplers in their order; one left out is not used",
	get: func(p *Params) [][]string { return [][]string{p.Samplers} },
	set: func(p *Params, args []string) error {
		for i, s := range args {
			if !slices.Contains(samplerNames, s) {
				return fmt.Errorf("%s: unknown", Quote(clip(s)))
			}
			if slices.Contains(args[:i], s) {
				return fmt.Errorf("%s: twice", s)
			}
		}
		p.Samplers = slices.Clone(args)
		return nil
	},
}

var seed = Param{
	Name: "seed", Args: "NUMBER", Range: "-1 to 4294967295", Help: "of the random numbers; -1 draws one for each turn",
	get: func(p *Params) [][]string { return [][]string{{strconv.FormatInt(p.Seed, 10)}} },
	set: func(p *Params, args []string) error {
		s, err := one(args)
		if err != nil {
			return err
		}
		v, err := parseInt(s, -1, math.MaxUint32)
		if err == nil {
			p.Seed = v
		}
		return err
	},
}

var logitBias = Param{
	Name: "logit_bias", Args: "ID BIAS", Help: "added to the logit of a token; -Inf is never", Repeat: true,
	get: func(p *Params) [][]string {
		var l [][]string
		for _, b := range p.LogitBias {
			l = append(l, []string{strconv.Itoa(int(b.ID)), formatFloat(b.Bias)})
		}
		return l
	},
	set: func(p *Params, args []string) error {
		const most = 1 << 16
		switch len(args) {
		case 0:
			p.LogitBias = nil
			return nil
		case 2:
		default:
			return fmt.Errorf("%d values, wants an id and a bias", len(args))
		}
		id, err := parseInt(args[0], 0, maxInt)
		if err != nil {
			return err
		}
		v, err := parseFloat(args[1])
		if err != nil {
			return err
		}
		if v > 1000 || v < -1000 && !math.IsInf(v, -1) {
			return fmt.Errorf("%s: not from -1000 to 1000, or -Inf", Quote(clip(args[1])))
		}
		old := p.LogitBias
		if len(old) >= most {
			return fmt.Errorf("%s: more than %d", args[0], most)
		}
		p.LogitBias = append(old[:len(old):len(old)], Bias{int32(id), v})
		return nil
	},
}

var modelName = Param{
	Name: "model", Args: "NAME", Help: `which model answers; "" is the server's default`,
	get: func(p *Params) [][]string { return [][]string{{p.Model}} },
	set: func(p *Params, args []string) error {
		s, err := one(args)
		if err == nil {
			p.Model = s
		}
		return err
	},
}

var date = Param{
	Name: "date", Args: "TIME", Range: "RFC 3339", Help: "what a template shows as today; a session's creation at first",
	get: func(p *Params) [][]string {
		if p.Date.IsZero() {
			return nil
		}
		return [][]string{{p.Date.Format(time.RFC3339)}}
	},
	set: func(p *Params, args []string) error {
		s, err := one(args)
		if err != nil {
			return err
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil || t.IsZero() {
			return fmt.Errorf("%s: not a time of RFC 3339", Quote(clip(s)))
		}
		p.Date = t
		return nil
	},
}
