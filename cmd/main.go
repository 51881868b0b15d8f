package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"unship.dev/actions"
)

// The exit statuses. They are part of the contract with scripts.
const (
	exitOK      = 0
	exitFailed  = 1 // the command did not do its job; of the gate: the release is faulty
	exitUsage   = 2 // wrong command line or configuration, or no connection
	exitUnknown = 3 // of the gate: cannot tell in time
	exitBroken  = 4 // of replay: done, but some input could not be read
)

// Program is what the commands share.
type Program struct {
	Actions []actions.Factory
	In      io.Reader
	Out     io.Writer // results
	Err     io.Writer // logs, progress, errors
	Env     func(string) (string, bool)
}

// Main runs a command line with the actions that the binary offers and returns
// the exit status. The first interrupt or SIGTERM drains and ends; a second ends at once.
func Main(args []string, factories []actions.Factory) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // from now on a signal has its usual effect
	}()
	p := &Program{Actions: factories, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv}
	return p.Run(ctx, args)
}

// Run runs a command line and returns the exit status.
func (p *Program) Run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	status := &statusError{status: exitUsage, err: err}
	errors.As(err, &status)
	if status.err != nil {
		fmt.Fprintf(p.Err, "unship: %v\n", status.err)
	}
	return status.status
}

// statusError is an error with the exit status it leads to. Without err nothing is printed.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// failed marks an error of a command that was used rightly.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &statusError{exitFailed, err}
}

// group is what a command does that only holds others.
func group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return cmd.Help()
}

func (p *Program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "unship",
		Short: "Finds the release that made things worse, takes it back, and proves that it helped",
		Long: `Unship watches every software release through OpenTelemetry, finds the release
that made things worse, takes it back before people notice, proves that it
helped, and writes down why.

Start with "unship demo", or "unship serve" and a Collector's otlp exporter
pointed at port 4317.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          group,
	}
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.AddCommand(p.serve(), p.replay(), p.demo(), p.demoProcess(), p.check(), p.release(), p.incident(), p.version())
	return root
}
