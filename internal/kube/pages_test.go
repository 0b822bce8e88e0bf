package kube

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// servePages starts an API server with a list of ConfigMaps in so many pages of one. It calls asked before each answer.
func servePages(t *testing.T, pages int, asked func(page int)) *Client {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		asked(page)
		list := newMetadataList(metav1.ObjectMeta{Name: strconv.Itoa(page)})
		if page+1 < pages {
			list.Continue = strconv.Itoa(page + 1)
		}
		reply(t, w, 200, list)
	})
}

// A page is read while the next one is on its way, and no more than these two are in memory.
func TestTwoPagesAreHeldAtMost(t *testing.T) {
	const pages = 8
	var asked atomic.Int32
	c := servePages(t, pages, func(int) { asked.Add(1) })
	var seen []string
	list, opts := c.configMapMetadata("services").List, metav1.ListOptions{Limit: 1}
	_, requests, err := listAll(t.Context(), c, opts, list, func() {}, func(cm *metav1.PartialObjectMetadata) {
		time.Sleep(20 * time.Millisecond) // in which more pages would be asked for
		if seen = append(seen, cm.Name); int(asked.Load()) > len(seen)+1 {
			t.Errorf("while page %d is read, %d have been asked for", len(seen), asked.Load())
		}
	})
	if want := strings.Fields("0 1 2 3 4 5 6 7"); err != nil || requests != pages || !slices.Equal(seen, want) {
		t.Errorf("%d requests, pages %q (%v); expected %q", requests, seen, err, want)
	}
}

// Whoever stops a run is told why, also in the middle of a list.
func TestACanceledListReturnsTheCause(t *testing.T) {
	why := errors.New("the lease is lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := servePages(t, 3, func(int) {})
	list, opts := c.configMapMetadata("services").List, metav1.ListOptions{Limit: 1}
	_, _, err := listAll(ctx, c, opts, list, func() {}, func(*metav1.PartialObjectMetadata) {
		time.Sleep(50 * time.Millisecond) // in which the next page comes
		cancel(why)
	})
	if !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

// Nothing is taken of a list that cannot be read to its end.
func TestAPageThatCannotBeRead(t *testing.T) {
	const begin = `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",`
	const meta = `"metadata":{"resourceVersion":"1","continue":"1"}`
	for _, second := range []string{
		begin + meta + `,"items":[{"metadata":7}]}`,
		begin + meta + `,"items":[`,
		`{"kind":"PodList","apiVersion":"v1",` + meta + `,"items":[]}`,
		`<html>Sign in</html>`,
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("continue") == "" {
				replyJSON(w, begin+meta+`,"items":[{"metadata":{"name":"a"}}]}`)
				return
			}
			replyJSON(w, second)
		})
		if l, err := c.ListConfigMaps(t.Context()); err == nil {
			t.Errorf("%s was taken for the end of a list of %d", second, l.Count)
		}
	}
}
