package exec

// head keeps the beginning of what is written, and notes that there was more.
type head struct {
	kept  []byte
	limit int
	over  bool
}

func (h *head) Write(b []byte) (int, error) {
	room := h.limit - len(h.kept)
	h.over = h.over || len(b) > room
	h.kept = append(h.kept, b[:min(room, len(b))]...)
	return len(b), nil
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
