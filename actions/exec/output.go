package exec

import "bytes"

// head keeps the beginning of what is written, and notes that there was more.
type head struct {
	bytes.Buffer
	limit int
	over  bool
}

func (h *head) Write(b []byte) (int, error) {
	if room := h.limit - h.Len(); len(b) > room {
		h.over = true
		_, _ = h.Buffer.Write(b[:room])
		return len(b), nil
	}
	return h.Buffer.Write(b)
}

// tail keeps the end of what is written.
type tail struct {
	kept  []byte
	limit int
}

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b[max(0, len(b)-t.limit):]...)
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.kept) }
