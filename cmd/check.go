package cmd

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/rules"
	"unship.dev/rules/document"
)

func (p *Program) check() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and print what is in effect",
		Long: `Reads the configuration as serve would, names every mistake with line and
column, all at once, and prints the effective configuration with its secrets
hidden. Exit status: 0 valid, 2 not.`,
		Example: "  unship check -c unship.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			conf, err := p.config(file, unship.ModeObserve)
			if err != nil {
				return err
			}
			return p.printConfig(conf)
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file; without it, the defaults")
	return c
}

// config reads and validates the configuration, actions included.
func (p *Program) config(file string, mode unship.Mode) (Config, error) {
	registry, err := actions.NewRegistry(p.Actions...)
	if err != nil {
		return Config{}, err
	}
	return readConfig(file, mode, p.Env, registry)
}

// specs gives the actions of a policy in the form that the runner takes.
func specs(p rules.Policy) []actions.Spec {
	out := make([]actions.Spec, len(p.Actions))
	for i, a := range p.Actions {
		out[i] = actions.Spec{Kind: a.Kind, Timeout: a.Timeout, Retries: a.Retries, With: a.With.Text, Line: a.With.Line}
	}
	return out
}

// checkActions lets every action read its own settings.
func checkActions(policies []rules.Policy, registry *actions.Registry, d *document.Document) {
	for i, p := range policies {
		for k, s := range specs(p) {
			if s.Kind == "" {
				continue // told already
			}
			at := fmt.Sprintf("policies[%d].actions[%d]", i, k)
			for _, m := range registry.Check([]actions.Spec{s}) {
				if s.Line == 0 || strings.HasPrefix(m.What, "unknown action kind") {
					d.Wrong(at+".kind", "%s", m.What)
				} else {
					d.WrongAt(m.Line, m.Column, at+".with", "%s", m.What)
				}
			}
		}
	}
}

// printConfig prints the configuration as YAML, secrets hidden.
func (p *Program) printConfig(c Config) error {
	shown := c
	shown.Policies = c.Set()
	text, err := yaml.MarshalWithOptions(shown, yaml.Indent(2), yaml.IndentSequence(true),
		yaml.CustomMarshaler(func(r document.Raw) ([]byte, error) { return r.Masked(), nil }),
		yaml.CustomMarshaler(func(b document.Bytes) ([]byte, error) { return []byte(b.String()), nil }))
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	_, err = fmt.Fprintf(p.Out, "# valid; this is in effect\n%s", text)
	return err
}
