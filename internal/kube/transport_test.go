package kube

import (
	"context"
	"io"
	"net/http"
	"testing"

	"bosgc/internal/inventory"
)

// A proxy that answers 200 to everything has deleted nothing, and does not know of an empty cluster.
func TestOnlyTheAPIServersOwnAnswersCount(t *testing.T) {
	ctx := context.Background()
	for kind, body := range map[string]string{
		"text/html": "<html>Sign in</html>", "application/json": "null", "application/json;charset=utf-8": `{"items": []}`,
		"application/problem+json": "{}", "": "", "text/json": `{"kind": ""}`,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{kind}
			_, _ = io.WriteString(w, body)
		})
		if _, err := c.DeleteConfigMap(ctx, id, "uid", "42"); err == nil {
			t.Errorf("%q was taken for the answer to a delete", body)
		}
		for what, list := range map[string]func(context.Context) (Listing, error){
			"Jobs": c.ListJobs, "Pods": c.ListPods, "ConfigMaps": c.ListConfigMaps, "CronJobs": c.ListCronJobs,
		} {
			if l, err := list(ctx); err == nil {
				t.Errorf("%q was taken for a list of %d %s", body, l.Count, what)
			}
		}
		if _, presence, err := c.GetJob(ctx, "boa-"+id); err == nil || presence != inventory.Unknown {
			t.Errorf("%q was taken for a Job that is %s", body, presence)
		}
	}
}
