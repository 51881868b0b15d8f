package demo

import (
	"os/exec"
	"syscall"
)

// tie lets the system kill the process when the demo dies, whatever it dies of,
// and keeps Ctrl-C for the demo alone: it ends its processes in order.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
