package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"

	"unship.dev/actions/builtin"
	"unship.dev/cmd"
)

// serveProfiled runs an unship command line in this process, until it is told to end,
// and writes its CPU profile to a file.
func serveProfiled(file string, args []string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	status := cmd.Main(args, builtin.Factories())
	pprof.StopCPUProfile()
	if status != 0 {
		return fmt.Errorf("unship %q exits with %d", args, status)
	}
	return nil
}

// profiledServer is unship serve, which leaves a profile in a file.
func profiledServer(file string) server {
	return server{"unship serve, profiled", func(dir, grpc, http string) (*exec.Cmd, error) {
		self, err := os.Executable()
		return exec.Command(self, append([]string{"-profiled", file}, serveArgs(dir, grpc, http)...)...), err
	}}
}

// profiles writes a CPU profile of serve under each way of sending into a folder.
func (o options) profiles(ctx context.Context, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i, w := range o.ways {
		load, err := newLoad(w, o.rate)
		if err != nil {
			return err
		}
		s := profiledServer(filepath.Join(folder, fmt.Sprintf("%d.pprof", i)))
		if _, err := o.measure(ctx, s, w, load); err != nil {
			return fmt.Errorf("%v: %w", w, err)
		}
	}
	return nil
}
