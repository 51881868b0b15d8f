package cmd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"unship.dev/actions/builtin"
	"unship.dev/cmd"
	"unship.dev/cmd/eval/scenario"
	"unship.dev/ingest/file"
)

// BenchmarkReplay replays one recording in each form: bytes are those of the
// uncompressed file, so that MB/s can be compared between machines.
func BenchmarkReplay(b *testing.B) {
	kinds, err := scenario.Select("canary-errors")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if _, err := scenario.Generate(dir, kinds[0], scenario.Options{Seed: 1}); err != nil {
		b.Fatal(err)
	}
	protobuf, json, spans := forms(b, dir)
	for name, path := range map[string]string{"protobuf": protobuf, "json": json} {
		b.Run(name, func(b *testing.B) {
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.Size())
			begin := cpu(b)
			for b.Loop() {
				p := &cmd.Program{Actions: builtin.Factories(), Out: io.Discard, Err: io.Discard, Env: os.LookupEnv}
				if status := p.Run(context.Background(), []string{"replay", "-o", "json", path}); status != 0 {
					b.Fatalf("replay exits with %d", status)
				}
			}
			b.ReportMetric(float64(info.Size())*float64(b.N)/1e6/(cpu(b)-begin).Seconds(), "MB/CPU-s")
			b.ReportMetric(float64(spans)*float64(b.N)/(cpu(b)-begin).Seconds(), "spans/CPU-s")
		})
	}
}

// forms writes a recording as one plain file of length-prefixed protobuf and one of JSON lines.
func forms(b *testing.B, dir string) (protobuf, json string, spans int) {
	r, err := file.Open([]string{dir}, file.Options{Strict: true})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var pb, lines bytes.Buffer
	for {
		i, err := r.Next(b.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		p, j, n := encode(b, i)
		if p == nil {
			continue
		}
		spans += n
		pb.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		pb.Write(p)
		lines.Write(append(j, '\n'))
	}
	out := b.TempDir()
	protobuf, json = filepath.Join(out, "all.pb"), filepath.Join(out, "all.jsonl")
	if err := errors.Join(os.WriteFile(protobuf, pb.Bytes(), 0o600), os.WriteFile(json, lines.Bytes(), 0o600)); err != nil {
		b.Fatal(err)
	}
	return protobuf, json, spans
}

func encode(b *testing.B, i file.Item) (protobuf, json []byte, spans int) {
	var err1, err2 error
	switch i.Kind {
	case file.KindTraces:
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(i.Message)
		if err1 = err; err == nil {
			spans = td.SpanCount()
			json, err2 = (&ptrace.JSONMarshaler{}).MarshalTraces(td)
		}
	case file.KindLogs:
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(i.Message)
		if err1 = err; err == nil {
			json, err2 = (&plog.JSONMarshaler{}).MarshalLogs(ld)
		}
	case file.KindMetrics, file.KindAnnouncements, file.KindNone:
		return nil, nil, 0
	}
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	return i.Message, json, spans
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
