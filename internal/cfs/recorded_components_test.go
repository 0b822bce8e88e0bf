package cfs

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bosgc/internal/inventory"
)

// recordedNode returns the ID of one of the six recorded components.
func recordedNode(slot string) string { return "x1000c0s" + slot + "b0n0" }

func TestRecordedComponents(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		var layers []string
		if r.api == "v2" {
			layers = []string{recordedBatch}
		}
		for name, want := range map[string]inventory.Component{
			"fresh":      {ID: recordedNode("0"), Status: "unconfigured"},
			"configured": {ID: recordedNode("0"), Desired: recordedConfig, Tag: recordedBOS, Status: "configured", CFSSessions: layers},
			"pending":    {ID: recordedNode("1"), Desired: recordedConfig, Tag: recordedBOS, Status: "pending", Enabled: true},
			"failed":     {ID: recordedNode("2"), Desired: recordedConfig, Tag: recordedBOS, Status: "failed", CFSSessions: layers},
			"unset":      {ID: recordedNode("2"), Tag: recordedBOS, Status: "configured", CFSSessions: []string{recordedBatch}},
		} {
			client, _ := r.serve(t, "component-get-"+name)
			got, presence, err := client.Component(t.Context(), want.ID)
			if err != nil || presence != inventory.Present || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, %v, error %v", name, got, presence, err)
			}
		}
		client, _ := r.serve(t, "component-get-unknown")
		if _, presence, err := client.Component(t.Context(), "x9000c0s0b0n0"); err != nil || presence != inventory.Absent {
			t.Errorf("unknown: %v, error %v", presence, err)
		}
		// The answer to a PATCH is no answer to a GET.
		client, _ = r.serve(t, asGet(r, "component-list-tags-malformed"))
		if _, presence, err := client.Component(t.Context(), recordedNode("0")); err == nil || presence != inventory.Unknown {
			t.Errorf("400: %v, error %v", presence, err)
		}
	})
}

func TestRecordedComponentLists(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		client, _ := r.serve(t, "component-list-ids")
		got, err := client.Components(t.Context(), []string{recordedNode("0"), recordedNode("3"), "x9000c0s0b0n0"})
		if err != nil || len(got) != 2 || got[recordedNode("0")].Desired != recordedConfig || got[recordedNode("3")].Tag != recordedBOS {
			t.Errorf("by ID: %+v, error %v", got, err)
		}
		client, _ = r.serve(t, "component-list-ids-only-unknown")
		if got, err := client.Components(t.Context(), []string{"x9000c0s0b0n0"}); err != nil || len(got) > 0 {
			t.Errorf("only unknown ones: %+v, error %v", got, err)
		}
		client, _ = r.serve(t, "component-list-tags")
		ours, err := client.TaggedComponents(t.Context(), recordedBOS)
		if err != nil || !slices.Equal(idsOf(ours), []string{recordedNode("0"), recordedNode("1"), recordedNode("2"), recordedNode("3")}) {
			t.Errorf("by tag: %+v, error %v", ours, err)
		}
		client, _ = r.serve(t, "component-list-tags-unknown")
		if ours, err := client.TaggedComponents(t.Context(), "23bebb06-6359-425b-b102-15b297261bea"); err != nil || len(ours) > 0 {
			t.Errorf("by an unknown tag: %+v, error %v", ours, err)
		}
		client, _ = r.serve(t, "component-list")
		tags, err := client.TaggedSessions(t.Context())
		if err != nil || !slices.Equal(tags, []string{recordedBOS, "7df412a1-640a-4c31-8b66-12d36f1de5d8"}) {
			t.Errorf("tags: %q, error %v", tags, err)
		}
		failing := []string{"component-list", "component-list-redis-down", "component-list-tags-malformed"}
		if r.api == "v2" && r.exchanges["v2-component-list-800-ids"].Response.Closed {
			failing = append(failing, "component-list-800-ids")
		}
		if _, ok := r.exchanges["v2-component-list-above-page-size"]; ok && r.api == "v2" {
			failing = append(failing, "component-list-above-page-size")
		}
		for _, name := range failing {
			client, _ := r.serve(t, name)
			if got, err := client.Components(t.Context(), []string{recordedNode("0")}); err == nil {
				t.Errorf("%s: %d components, no error", name, len(got))
			}
			if got, err := client.TaggedComponents(t.Context(), recordedBOS); err == nil {
				t.Errorf("%s: %d tagged components, no error", name, len(got))
			}
		}
	})
}

// TestRecordedPages follows next, which names every parameter, the absent ones null or empty.
func TestRecordedPages(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		if r.api != "v3" {
			return
		}
		client, served := r.serve(t, "component-list-limit", "component-list-after-id")
		tags, err := client.TaggedSessions(t.Context())
		if err != nil || len(tags) != 2 || len(*served) != 2 {
			t.Fatalf("%q, error %v, asked for %q", tags, err, *served)
		}
		second, err := url.Parse(strings.TrimPrefix((*served)[1], "GET "))
		if err != nil {
			t.Fatal(err)
		}
		query := second.Query()
		if query.Get("after_id") != recordedNode("3") || query.Get("limit") != "4" || query.Get("enabled") != "" {
			t.Errorf("the second page was asked for with %v", query)
		}
		// The last page never comes: the list is not complete.
		client, _ = r.serve(t, "component-list-limit", "component-list-redis-down")
		if tags, err := client.TaggedSessions(t.Context()); err == nil || tags != nil {
			t.Errorf("half a list: %q, error %v", tags, err)
		}
	})
}

// TestRecordedPatches holds that no answer to a PATCH passes for a component that was unset: what is read afterwards
// counts.
func TestRecordedPatches(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		ids := []string{recordedNode("0"), recordedNode("3")}
		for _, name := range []string{
			"component-patch-list-unset", "component-patch-list-empty", "component-patch-list-no-id",
			"component-patch-dict-ids-config-tags", "component-patch-dict-no-filters", "component-patch-dict-filters-empty",
			"component-patch-dict-tags-malformed", "component-patch-dict-nothing-matches", "component-patch-redis-down",
			"component-patch-other-spelling",
		} {
			client, served := r.serve(t, "component-list-ids", name)
			results := client.Unset(t.Context(), recordedBOS, recordedConfig, ids, func([]inventory.Component) error { return nil })
			for _, id := range ids {
				if results[id].Outcome != UnsetFailed || results[id].Err == nil {
					t.Errorf("%s: %s: %+v", name, id, results[id])
				}
			}
			if !slices.ContainsFunc(*served, func(s string) bool { return strings.HasPrefix(s, http.MethodPatch) }) {
				t.Errorf("%s: nothing was sent", name)
			}
			stray := name == "component-patch-dict-filters-empty" && r.api == "v3"
			if text := results[ids[0]].Err.Error(); stray && !strings.Contains(text, "not asked to change") {
				t.Errorf("%s: %s", name, text)
			}
		}
	})
}
