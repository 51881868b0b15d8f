package dashboards

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"unship.dev/decide/journal"
)

// feed is what event streams share: one reading of the source serves all that
// heard of a change before it began.
type feed struct {
	listeners atomic.Int64

	mu      sync.Mutex
	began   time.Time // of the last reading
	current []item
}

// item is one incident or release as it was when read.
type item struct {
	event string
	key   string
	sum   [sha256.Size]byte
	data  []byte
}

// read gives the state of the source at or after the moment since.
func (f *feed) read(ctx context.Context, src Source, since time.Time) ([]item, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.began.IsZero() && !f.began.Before(since) {
		return f.current, nil
	}
	began := time.Now()
	items, err := readItems(ctx, src)
	if err != nil {
		return nil, err
	}
	f.began, f.current = began, items
	return items, nil
}

func readItems(ctx context.Context, src Source) (items []item, err error) {
	add := func(event, key string, v any) {
		data, e := json.Marshal(v)
		if e != nil {
			err = e
			return
		}
		items = append(items, item{event, event + "\x00" + key, sha256.Sum256(data), data})
	}
	incidents, err := src.Incidents(ctx, journal.Filter{Limit: defaultLimit})
	if err != nil {
		return nil, err
	}
	for _, in := range incidents {
		add("incident", in.ID, in)
	}
	releases, err := src.Releases(ctx, journal.Filter{Limit: defaultLimit})
	if err != nil {
		return nil, err
	}
	for _, r := range releases {
		add("release", r.Environment+"\x00"+r.Namespace+"\x00"+r.Service+"\x00"+r.Version, r)
	}
	return items, err
}
