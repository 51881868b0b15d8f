//go:build !race

package ingest

const pools = 1
