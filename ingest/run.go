package ingest

// commitRuns hands staged points or log records to the shards of their resources. They
// follow one another by resource, and a shard is locked once for each run of one. What
// keep adds to a pane, which is nil if the fate is not to be counted, it says in bytes.
func commitRuns[T any](in *intake, list []T, place func(*T) (resource uint32, at int64), keep func(*pane, fate, int64, *T) int64) {
	for len(list) > 0 {
		first, _ := place(&list[0])
		n := 1
		for ; n < len(list); n++ {
			if resource, _ := place(&list[n]); resource != first {
				break
			}
		}
		commitRun(in, &in.a.shards[first%shardCount], list[:n], place, keep)
		list = list[n:]
	}
}

func commitRun[T any](in *intake, s *shard, run []T, place func(*T) (uint32, int64), keep func(*pane, fate, int64, *T) int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p *pane
	var f fate
	index := int64(firstIndex)
	for i := range run {
		_, at := place(&run[i])
		if k := in.a.index(at); k != index || p == nil {
			index = k
			p, f = s.at(in.a, index)
		}
		added := keep(p, f, index, &run[i])
		if p != nil {
			p.bytes += added
			in.bytes += added
		}
	}
}
