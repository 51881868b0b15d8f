package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// politeness is how long a process may take to end by itself.
const politeness = 8 * time.Second

// processes are the processes that the demo started. All of them end with it:
// by close, and where the system can do that, even if the demo is killed.
type processes struct {
	exe  string
	logs string // folder
	died func(error)

	fork chan func()
	mu   sync.Mutex
	all  []*process
}

// process is one started process.
type process struct {
	name  string
	cmd   *exec.Cmd
	first chan string // the first line that it writes
	ended chan struct{}
	asked bool // to end; guarded by processes.mu
}

// newProcesses runs exe. died is told when a process ends that nobody asked to end.
func newProcesses(exe, logs string, died func(error)) *processes {
	ps := &processes{exe: exe, logs: logs, died: died, fork: make(chan func())}
	go func() {
		// The system ends a child when the thread dies that started it: keep one for all.
		runtime.LockOSThread()
		for f := range ps.fork {
			f()
		}
	}()
	return ps
}

// role starts a process of the demo's own and waits until it tells its addresses.
func (ps *processes) role(ctx context.Context, name, role string, settings any) (addresses, error) {
	text, ok := settings.(string)
	if !ok {
		b, err := json.Marshal(settings)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	p, err := ps.start(name, ps.exe, "demo-process", role, text)
	if err != nil {
		return nil, err
	}
	return ps.addresses(ctx, p)
}

// start starts a program; what it writes to standard error goes into its log.
func (ps *processes) start(name, program string, args ...string) (*process, error) {
	log, err := os.Create(ps.log(name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Stderr, cmd.Env = log, environment()
	tie(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	ps.fork <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, first: make(chan string, 1), ended: make(chan struct{})}
	ps.mu.Lock()
	ps.all = append(ps.all, p)
	ps.mu.Unlock()
	go ps.watch(p, out)
	return p, nil
}

// environment is ours without what would change how the SDK of the services works.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "OTEL_") })
}

// watch reads what the process writes and waits for its end.
func (ps *processes) watch(p *process, stdout io.Reader) {
	out := bufio.NewReader(stdout)
	first, _ := out.ReadString('\n')
	p.first <- first
	_, _ = io.Copy(io.Discard, out)
	err := p.cmd.Wait()
	close(p.ended)
	ps.mu.Lock()
	asked := p.asked
	ps.mu.Unlock()
	if !asked {
		if err == nil {
			err = errors.New("exit status 0")
		}
		ps.died(fmt.Errorf("process %s ended by itself: %w; see %s", p.name, err, ps.log(p.name)))
	}
}

// addresses are what the process announces in the first line that it writes.
func (ps *processes) addresses(ctx context.Context, p *process) (a addresses, err error) {
	select {
	case text := <-p.first:
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return nil, fmt.Errorf("process %s did not start; see %s", p.name, ps.log(p.name))
		}
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (ps *processes) log(name string) string { return filepath.Join(ps.logs, name+".log") }

// close ends one process after the other, the last one started first: callers
// end before those they call, and serve takes the last telemetry of all.
func (ps *processes) close() {
	ps.mu.Lock()
	all := slices.Clone(ps.all)
	for _, p := range all {
		p.asked = true
	}
	ps.mu.Unlock()
	late := time.After(politeness)
	for _, p := range slices.Backward(all) {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-late:
			ps.kill(all)
			late = nil
			<-p.ended
		}
	}
	close(ps.fork)
}

func (ps *processes) kill(all []*process) {
	for _, p := range all {
		_ = p.cmd.Process.Kill()
	}
}
