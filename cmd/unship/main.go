// Command unship watches software releases through OpenTelemetry and takes back
// the one that made things worse. See the README.
package main

import (
	"os"

	"unship.dev/actions/builtin"
	"unship.dev/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:], builtin.Factories())) }
