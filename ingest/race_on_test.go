//go:build race

package ingest

// pools is how many times as much may be allocated as without the race detector,
// under which a sync.Pool loses some of what is put into it on purpose.
const pools = 8
