package sweep

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWithoutAMeshProxyTheRunBeginsAllTheSame(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	waitForMesh(t.Context(), gone.URL+"/quitquitquit", 300*time.Millisecond, log)
	QuitMesh(gone.URL+"/quitquitquit", log)
	if !strings.Contains(text.String(), "going on without it") || !strings.Contains(text.String(), "not told to quit") {
		t.Errorf("log %q", text.String())
	}
	waitForMesh(t.Context(), "", time.Hour, nil) // where none is named, nothing is waited for
	QuitMesh("", nil)
}

func TestRunsOfASimilarNameAreNamedFirst(t *testing.T) {
	got := []int{commonLength("run-27", "run-28"), commonLength("abc", "xbc"), commonLength("", "a")}
	if !slices.Equal(got, []int{5, 2, 0}) {
		t.Errorf("common lengths are %v", got)
	}
}
