// Package builtin is the one list of the actions that come with Unship. To add
// an action, add its Factory here. The list is a value; nothing registers itself.
package builtin

import (
	"unship.dev/actions"
	"unship.dev/actions/example"
	"unship.dev/actions/exec"
	"unship.dev/actions/webhook"
)

// Factories lists every kind.
func Factories() []actions.Factory {
	return []actions.Factory{
		exec.Factory(),
		example.Factory(),
		webhook.Factory(),
	}
}
