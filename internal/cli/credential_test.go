package cli

import (
	"strings"
	"testing"

	"bosgc/internal/lab"
)

func TestACredentialInTheClearIsWarnedOf(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 1}, lab.ServerOptions{})
	client := []string{
		"BOSGC_LOG_LEVEL=warn", "BOSGC_CLIENT_ID=c", "BOSGC_CLIENT_SECRET=s", "BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=1s",
	}
	for url, want := range map[string]int{"http://gateway.invalid/token": 1, "https://gateway.invalid/token": 0} {
		_, _, stderr := s.run([]string{"plan"}, append(client, "BOSGC_TOKEN_URL="+url)...)
		if n := strings.Count(stderr, "without encryption"); n != want {
			t.Errorf("%s: %d warnings, want %d\n%s", url, n, want, stderr)
		}
	}
}
