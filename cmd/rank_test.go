package cmd_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"unship.dev/actions/builtin"
	"unship.dev/cmd"
)

func TestReleaseRankShowsTheMostSuspectFirst(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/status" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, `{"version":"1","ranking":[{"schema":"unship.ranking/v1","environment":"production","releases":[
			{"namespace":"shop","service":"ledger","version":"1.1.0","share":0.9,"why":"its calls fail"},
			{"namespace":"shop","service":"cart","version":"2.0.0","share":0.1,"unseen":true,"why":"nothing of it was seen"}]}]}`)
	}))
	defer server.Close()
	for output, want := range map[string]string{
		"text": "production: if one of these releases is the cause, then\n  90 %      shop/ledger 1.1.0: its calls fail\n  10 %      shop/cart 2.0.0: nothing of it was seen\n",
		"json": `{"schema":"unship.ranking/v1","environment":"production",`,
	} {
		var out bytes.Buffer
		p := &cmd.Program{Actions: builtin.Factories(), Out: &out, Err: t.Output(), Env: os.LookupEnv}
		if status := p.Run(t.Context(), []string{"release", "rank", "-o", output, "--server", server.URL}); status != 0 || !strings.HasPrefix(out.String(), want) {
			t.Errorf("-o %s exits with %d: %q; want it to begin with %q", output, status, &out, want)
		}
	}
}
