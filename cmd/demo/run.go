package demo

import "context"

// Run runs the demo. The error says that it could not be carried through; that
// a promise did not hold is in the Result.
func Run(ctx context.Context, o Options) (Result, error) { return Result{}, ctx.Err() }

// Process is one process of the demo; args are its role and what the role needs.
func Process(ctx context.Context, args []string) error { return ctx.Err() }
