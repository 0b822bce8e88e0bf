package bos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/lab/wire"
)

func isRouteMissing(r wire.Response) bool {
	return r.Status == http.StatusNotFound && fieldOf(r.Body, "title") == "Not Found"
}

func fieldOf(body any, name string) any {
	fields, _ := body.(map[string]any)
	return fields[name]
}

func checkList(ctx context.Context, c *Client, e wire.Exchange) string {
	ids, err := c.List(ctx)
	switch {
	case isRouteMissing(e.Response):
		if !errors.Is(err, ErrNoV1) || ids != nil {
			return fmt.Sprintf("%v, %v; expected ErrNoV1", ids, err)
		}
	case e.Response.Closed, e.Response.Hung:
		if err == nil || ids != nil || errors.Is(err, ErrNoV1) {
			return fmt.Sprintf("%v, %v; expected an error", ids, err)
		}
		want := ErrListHangs
		if strings.HasSuffix(e.Case, "-etcd-down") {
			want = ErrSilent
		}
		if e.Response.Hung && !errors.Is(err, want) {
			return fmt.Sprintf("%v; expected %v", err, want)
		}
	default:
		recorded := []string{}
		for _, id := range e.Response.Body.([]any) {
			recorded = append(recorded, id.(string))
		}
		slices.Sort(recorded)
		if err != nil || !slices.Equal(ids, recorded) {
			return fmt.Sprintf("%v, %v; expected %v", ids, err, recorded)
		}
	}
	return ""
}

func checkTemplates(ctx context.Context, c *Client, e wire.Exchange) string {
	names, err := c.Templates(ctx)
	if e.Response.Status != http.StatusOK {
		if err == nil || names != nil {
			return fmt.Sprintf("%v, %v; expected an error", names, err)
		}
		return ""
	}
	recorded := []string{}
	for _, template := range e.Response.Body.([]any) {
		recorded = append(recorded, fieldOf(template, "name").(string))
	}
	if err != nil || !slices.Equal(names, recorded) {
		return fmt.Sprintf("%v, %v; expected %v", names, err, recorded)
	}
	return ""
}

func checkGet(ctx context.Context, c *Client, e wire.Exchange) string {
	_, id, _ := strings.Cut(e.Request.Path, "/session/")
	record, text, err := c.GetRaw(ctx, id)
	body := e.Response.Body
	got := fmt.Sprintf("%+v, %v", record, err)
	switch {
	case e.Response.Status == http.StatusOK:
		template := firstOf(body, "templateName", "templateUuid", "session_template_id")
		if err != nil || record.Presence != inventory.Present || record.Broken || string(text) != string(e.Response.RawBody()) {
			return got + "; expected a record"
		}
		if record.Template != template || record.Operation != fieldOf(body, "operation") {
			return got + "; template or operation are wrong"
		}
		for _, tt := range []struct {
			stamp  inventory.Stamp
			fields []string
		}{{record.Start, []string{"start_time", "boa_launch"}}, {record.Stop, []string{"stop_time", "boa_finish"}}} {
			stamp, fields := tt.stamp, tt.fields
			text, _ := firstOf(body, fields...).(string)
			if stamp.Known() != (text != "") {
				return got + "; " + fields[0] + " is wrong"
			}
			if stamp.Known() && !strings.HasPrefix(strings.Replace(text, "T", " ", 1), stamp.At().UTC().Format(time.DateTime)) {
				return got + "; " + fields[0] + " is another time"
			}
		}
	case e.Response.Status == http.StatusInternalServerError:
		if err != nil || record.Presence != inventory.Unknown || !record.Broken {
			return got + "; expected a broken record"
		}
	case e.Response.Status == http.StatusNotFound && !isRouteMissing(e.Response):
		if err != nil || record.Presence != inventory.Absent {
			return got + "; expected its absence"
		}
	default:
		if err == nil || record.Presence != inventory.Unknown {
			return got + "; expected an error"
		}
	}
	return ""
}

func firstOf(body any, names ...string) any {
	for _, name := range names {
		if value := fieldOf(body, name); value != nil && value != "" {
			return value
		}
	}
	return ""
}

func checkDelete(ctx context.Context, c *Client, e wire.Exchange) string {
	_, id, _ := strings.Cut(e.Request.Path, "/session/")
	existed, err := c.Delete(ctx, id)
	_, sentence := e.Response.Body.(string)
	gone := e.Response.Status == http.StatusNotFound && sentence && !e.Response.BodyIsText
	wantError := e.Response.Status != http.StatusNoContent && !gone
	if existed != (e.Response.Status == http.StatusNoContent) || (err != nil) != wantError {
		return fmt.Sprintf("existed %t, %v", existed, err)
	}
	return ""
}

func checkBootSet(ctx context.Context, c *Client, e wire.Exchange) string {
	_, rest, _ := strings.Cut(e.Request.Path, "/session/")
	id, set, _ := strings.Cut(rest, "/status/")
	nodes, presence, err := c.Nodes(ctx, id, set)
	got := fmt.Sprintf("%v, %v, %v", nodes, presence, err)
	switch {
	case e.Response.Status/100 == 2:
		if err != nil || presence != inventory.Present || !slices.Equal(nodes, nodesOf(e.Response.Body)) {
			return got + "; expected " + strings.Join(nodesOf(e.Response.Body), ",")
		}
	case e.Response.Status == http.StatusNotFound:
		if err != nil || presence != inventory.Absent {
			return got + "; expected its absence"
		}
	default:
		if err == nil || presence != inventory.Unknown || nodes != nil {
			return got + "; expected an error"
		}
	}
	return ""
}

// nodesOf returns the nodes in a recorded status of a boot set, but for those that are left out in all phases.
func nodesOf(body any) []string {
	nodes := []string{}
	phases, _ := fieldOf(body, "phases").([]any)
	for _, phase := range phases {
		for _, category := range fieldOf(phase, "categories").([]any) {
			if fieldOf(category, "name") == excluded {
				continue
			}
			for _, node := range fieldOf(category, "node_list").([]any) {
				nodes = append(nodes, node.(string))
			}
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

func checkHealth(ctx context.Context, c *Client, e wire.Exchange) string {
	err := c.CheckHealth(ctx)
	if wantError := e.Response.Closed || e.Response.Hung; (err != nil) != wantError {
		return fmt.Sprintf("%v", err)
	}
	return ""
}

func checkV1(ctx context.Context, c *Client, e wire.Exchange) string {
	presence, err := c.V1(ctx)
	want := inventory.Present
	switch {
	case isRouteMissing(e.Response):
		want = inventory.Absent
	case e.Response.Hung:
		want = inventory.Unknown
	}
	if presence != want || (err != nil) != (want == inventory.Unknown) {
		return fmt.Sprintf("%v, %v; expected %v", presence, err, want)
	}
	return ""
}

func checkV2(ctx context.Context, c *Client, e wire.Exchange) string {
	owners, err := c.V2Owners(ctx)
	if e.Response.Status != http.StatusOK {
		if wantError := !isRouteMissing(e.Response); (err != nil) != wantError || owners != nil {
			return fmt.Sprintf("%v, %v", owners, err)
		}
		return ""
	}
	list := e.Response.Body.([]any)
	if err != nil || len(owners) != len(list) {
		return fmt.Sprintf("%v, %v; expected %d", owners, err, len(list))
	}
	for i, session := range list {
		components, _ := fieldOf(session, "components").(string)
		running := fieldOf(fieldOf(session, "status"), "end_time") == nil
		owner := owners[i]
		if owner.ID != fieldOf(session, "name") || strings.Join(owner.Nodes, ",") != components ||
			owner.NodesKnown != (components != "") || owner.From.IsZero() || owner.Until.IsZero() != running {
			return fmt.Sprintf("%+v of %v", owner, session)
		}
		if presence, err := c.V2Session(ctx, owner.ID); presence != inventory.Present || err != nil {
			return fmt.Sprintf("%s: %v, %v", owner.ID, presence, err)
		}
	}
	if presence, err := c.V2Session(ctx, "23bebb06-6359-425b-b102-15b297261bea"); presence != inventory.Absent || err != nil {
		return fmt.Sprintf("an unknown session: %v, %v", presence, err)
	}
	return ""
}
