package slack

import (
	"context"
	"sync"
)

// Memory is a [State] that a restart forgets. The zero value is ready.
type Memory struct {
	mu       sync.Mutex
	messages map[string]Message
}

// SlackMessage gives the message of an incident.
func (m *Memory) SlackMessage(_ context.Context, incident string) (Message, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msg, ok := m.messages[incident]
	return msg, ok, nil
}

// SetSlackMessage remembers the message of an incident.
func (m *Memory) SetSlackMessage(_ context.Context, incident string, msg Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.messages == nil {
		m.messages = map[string]Message{}
	}
	m.messages[incident] = msg
	return nil
}
